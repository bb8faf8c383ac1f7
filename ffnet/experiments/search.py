"""Search settings by validation accuracy, with Optuna: several processes or machines may work on one search."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from fflabels.errors import FFLabelsError, MissingExtraError
from fflabels.progress import Progress, silent
from fflabels.recipe import canonical_json, sha256
from ffnet.config import Config, type_of, typed
from ffnet.data.dataset import Data
from ffnet.data.load import load_data
from ffnet.evaluation.accuracy import evaluate
from ffnet.fitting import fit
from ffnet.model.compute_type import with_dtype
from ffnet.prepare import check_names, label_set
from ffnet.runs.folder import build
from ffnet.system.devices import memory_errors, resolve_device

try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
except ModuleNotFoundError as error:
    raise MissingExtraError('a search needs Optuna: pip install "fflabels[sweep]"') from error


COMBINATIONS = 1000
"""Of the other settings, that a value is tried with before it is refused."""

SEEDS = 2**32
"""How many a sampler knows."""


class Space(NamedTuple):
    """What a setting may be: one of some words, or a number of a range.

    Attributes
    ----------
    words
        As typed; empty for a range.
    low, high, log
        The range's ends, and whether the logarithm is uniform. Whole numbers where both ends are, unless the setting
        takes others.
    """

    words: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    log: bool = False

    @classmethod
    def of(cls, key: str, text: str) -> Space:
        """Return the space of a setting: ``a|b|c``, ``LOW..HIGH`` or ``log LOW..HIGH``.

        Raises
        ------
        FFLabelsError
            When the text is none of these.
        """
        if "|" in text:
            return cls(tuple(word.strip() for word in text.split("|")))
        ends = [typed(end) for end in text.removeprefix("log ").split("..")]
        log = text.startswith("log ")
        numbers = len(ends) == 2 and all(isinstance(end, int | float) for end in ends)
        if not numbers or not ends[0] < ends[1] or (log and ends[0] <= 0):
            raise FFLabelsError(
                "no space", where=key, got=text, expected="a|b|c, LOW..HIGH or log LOW..HIGH, LOW first"
            )
        low, high = map(float, ends) if _takes_fractions(key) else ends
        return cls((), low, high, log)

    def draw(self, trial: optuna.Trial, key: str) -> Any:
        """Return what a trial takes."""
        if self.words:
            return typed(trial.suggest_categorical(key, self.words))
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(key, self.low, self.high, log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)

    def typed(self, value: Any) -> str:
        """Return how one of its values is typed after ``--set``."""
        return next((word for word in self.words if typed(word) == value), str(value))

    @property
    def examples(self) -> list[Any]:
        """Every word, or the ends of the range."""
        return [typed(word) for word in self.words] or [self.low, self.high]


class Trial(NamedTuple):
    """One try: its number in the journal, the settings that were tried, and the validation accuracy that they gave.

    Where they gave none, because they do not fit each other or the data or the loss was not finite, `error` says why.
    """

    number: int
    settings: dict[str, Any]
    accuracy: float | None
    error: str | None = None


def search(
    config: Config,
    spaces: Mapping[str, Space],
    *,
    trials: int,
    journal: str | Path,
    reading: Literal["goodness", "linear"] = "goodness",
    data: Data | None = None,
    report: Callable[[Trial], None] | None = None,
    progress: Progress = silent,
) -> Trial:
    """Try settings, each in a whole training, and return the best try of the journal. Test images are never read.

    Parameters
    ----------
    config
        All other settings.
    spaces
        What is tried, by ``section.key``.
    trials
        How many tries this process makes.
    journal
        The file of the search. Whoever names it, at the same time or later, works on the same search.
    reading
        Whose validation accuracy counts; a back-propagation net has one.
    data
        Read as the settings say unless given.
    report
        Called after every try.

    Raises
    ------
    FFLabelsError
        For an unknown setting or one of the data, a value that fits no other ones, a data set without validation
        images, a journal of another search, or when no try has come to an end.
    """
    for key in spaces:
        _check_values(config, spaces, key)
    for key in spaces:
        if key.startswith("data."):
            raise FFLabelsError("cannot be searched: accuracies on other images do not compare", where=key)
    data = data or load_data(config.data)
    if not len(data.validation):
        raise FFLabelsError("no images to choose by", where="data.validation", got="0", expected="1 or more")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(study_name="ffnet", storage=storage, direction="maximize", load_if_exists=True)
    what = _mark(config, spaces, reading)
    if study.user_attrs.setdefault("search", what) != what:
        raise FFLabelsError("holds another search", where=str(journal), hint="--journal names another file")
    study.set_user_attr("search", what)
    study.sampler = optuna.samplers.TPESampler(seed=(config.seed + len(study.trials)) % SEEDS, constant_liar=True)
    errors = []

    def objective(trial: optuna.Trial) -> float:
        settings = {key: space.draw(trial, key) for key, space in spaces.items()}
        accuracy, error = None, None
        try:
            accuracy = _accuracy(config.replaced(settings, "--vary"), data, reading)
        except FFLabelsError as reason:  # of these settings alone: others may do
            error = str(reason)
            errors.append(error)
        if report:
            report(Trial(trial.number, settings, accuracy, error))
        if accuracy is None:
            raise optuna.TrialPruned
        trial.set_user_attr("settings", settings)
        return accuracy

    for k in range(trials):
        study.optimize(objective, n_trials=1)
        progress("search", k + 1, trials)
    if not study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
        raise FFLabelsError(f"no try came to an end: {errors[-1]}", where=str(journal))
    best = study.best_trial
    assert best.value is not None
    return Trial(best.number, best.user_attrs["settings"], best.value)


def _takes_fractions(key: str) -> bool:
    """Return whether a setting is a number that need not be whole."""
    kind = type_of(key)
    return any(isinstance(one, msgspec.inspect.FloatType) for one in getattr(kind, "types", (kind,)))


def _check_values(config: Config, spaces: Mapping[str, Space], key: str) -> None:
    """Refuse what cannot be, whatever the other settings are, before hours of work."""
    others = {name: space.examples for name, space in spaces.items() if name != key}
    for value in spaces[key].examples:
        refused = None
        for beside in itertools.islice(itertools.product(*others.values()), COMBINATIONS):
            try:
                check_names(config.replaced({**dict(zip(others, beside, strict=True)), key: value}, "--vary"))
                break
            except FFLabelsError as error:
                refused = refused or error
        else:
            assert refused
            raise refused


def _mark(config: Config, spaces: Mapping[str, Space], reading: str) -> str:
    """Return a hash of what is searched, by what."""
    free = {"device": "auto", "data.root": None}
    tree = [msgspec.to_builtins(config.replaced(free)), {key: list(space) for key, space in spaces.items()}, reading]
    return sha256(canonical_json(tree))


@memory_errors()
def _accuracy(config: Config, data: Data, reading: Literal["goodness", "linear"]) -> float:
    """Return the validation accuracy of a net that is trained for it."""
    device = resolve_device(config.device)
    config = with_dtype(config, device, data.shape)
    labels = label_set(config, data) if config.algorithm == "ff" else None
    net = build(config, data.shape, labels, data.classes).to(device)
    fit(net, data)
    [found] = evaluate(net, data, inference=reading if labels else None).accuracies.values()
    return found.accuracy
