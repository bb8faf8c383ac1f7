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
from ffnet.config.config import Config, result_settings, type_of
from ffnet.config.toml import typed
from ffnet.data.dataset import Data
from ffnet.data.load import load_data
from ffnet.experiments.factors import slug
from ffnet.experiments.jobs import check_settings, start_or_resume, wait_until_unlocked
from ffnet.experiments.storage import open_storage, storage_errors
from ffnet.prepare import check_names
from ffnet.runs.locks import LockedError
from ffnet.runs.session import Watcher
from ffnet.runs.start import with_data
from ffnet.system.signals import Interrupted, Interrupts

try:
    import optuna
except ModuleNotFoundError as error:
    raise MissingExtraError("a search needs Optuna", extra="sweep") from error

COMBINATIONS = 1000
"""Combinations of the other settings that a value is checked with before it is refused."""

SEEDS = 2**32
"""Number of seeds that a sampler has."""


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
                "not a search space", where=key, got=text, expected="a|b|c, LOW..HIGH or log LOW..HIGH, LOW first"
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
    """One try: its number in the search, the settings that were tried, the validation accuracy, and the run folder.

    Where settings gave no accuracy, because they do not fit each other or the data or the loss was not finite, `error`
    says why.
    """

    number: int
    settings: dict[str, Any]
    accuracy: float | None
    folder: Path
    error: str | None = None


def search(
    config: Config,
    spaces: Mapping[str, Space],
    *,
    trials: int,
    storage: str | Path,
    out: str | Path = "search",
    name: str = "ffnet",
    inference: Literal["goodness", "linear"] = "goodness",
    data: Data | None = None,
    report: Callable[[Trial], None] | None = None,
    progress: Progress = silent,
) -> Trial:
    """Try settings, each in a run of its own, and return the best try of the search. Test images are not evaluated.

    Parameters
    ----------
    config
        All other settings.
    spaces
        What is tried, by ``section.key``.
    trials
        How many tries this process makes.
    storage
        Where the search is kept: a journal file, or a URL of Optuna's. Whoever names it, at the same time or later,
        works on the same search.
    out
        The run folders are in this one, named after their settings: none is trained twice, a stopped one is resumed.
    name
        The search's name in a storage that holds several.
    inference
        Whose validation accuracy counts; a back-propagation net has one.
    data
        Read as the settings say unless given.
    report
        Called after every trial.
    progress
        Called with the name of the work, steps done, and their total.

    Raises
    ------
    FFLabelsError
        For an unknown setting, a setting of the data, a value that fits no other values, no validation images, the
        storage of another search, or if no trial finished.
    Interrupted
        On SIGINT or SIGTERM, after the current step is done and saved; the try is made again by whoever comes next.
    """
    # Refuse what cannot be searched.
    for key in spaces:
        _check_values(config, spaces, key)
    for key in spaces:
        if key.startswith("data."):
            raise FFLabelsError("cannot be searched: accuracies on other images do not compare", where=key)
    config, data = with_data(config, data)
    data = data or load_data(config.data)
    if not len(data.validation):
        raise FFLabelsError("no images to choose by", where="data.validation", got="0", expected="1 or more")

    # Open the search.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kept = open_storage(str(storage))
    errors: list[str] = []
    tried: list[dict[str, Any]] = []  # the try that this process is at
    own: list[int] = []  # the numbers of all its tries
    with Interrupts(), storage_errors(str(storage)):
        study = optuna.create_study(study_name=name, storage=kept, direction="maximize", load_if_exists=True)
        what = _mark(config, spaces, inference)
        if study.user_attrs.setdefault("search", what) != what:
            raise FFLabelsError("holds another search", where=str(storage), hint="--storage or --name another")
        study.set_user_attr("search", what)

        def objective(trial: optuna.Trial) -> float:
            if not own:  # the number of its first try sets a process's seed, so no two processes share one
                seed = (config.seed + trial.number) % SEEDS
                study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
            own.append(trial.number)
            settings = {key: space.draw(trial, key) for key, space in spaces.items()}
            tried[:] = [trial.params]
            trial.set_user_attr("folder", str(_folder(config, settings, Path(out)).absolute()))
            made = _try(trial.number, config, settings, data, inference, Path(out), Watcher(progress=progress))
            if report:
                report(made)
            tried.clear()
            if made.accuracy is None:
                errors.append(str(made.error))
                raise optuna.TrialPruned
            trial.set_user_attr("settings", settings)
            return made.accuracy

        # Try; a try that a signal stopped, or a full disk, waits for the next process.
        progress("search", 0, trials)
        for k in range(trials):
            try:
                study.optimize(objective, n_trials=1)
            except (Interrupted, FFLabelsError):
                for stopped in tried:
                    study.enqueue_trial(stopped)
                raise
            progress("search", k + 1, trials)
        if not study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
            raise FFLabelsError(f"no trial finished: {errors[-1]}", where=str(storage))
        best = study.best_trial
    settings = best.user_attrs["settings"]
    folder = _folder(config, settings, Path(out))
    if not folder.exists():  # found with another --out
        folder = Path(best.user_attrs.get("folder", folder))
    return Trial(best.number, settings, best.value, folder)


def _takes_fractions(key: str) -> bool:
    """Return whether a setting is a number that need not be whole."""
    kind = type_of(key)
    return any(isinstance(one, msgspec.inspect.FloatType) for one in getattr(kind, "types", (kind,)))


def _check_values(config: Config, spaces: Mapping[str, Space], key: str) -> None:
    """Refuse a value that is invalid with every tried combination of the other settings."""
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


def _mark(config: Config, spaces: Mapping[str, Space], inference: str) -> str:
    """Return a hash of settings, spaces and inference method, which identifies the search."""
    free = {"device": "auto", "data.root": None}
    tree = [msgspec.to_builtins(config.replaced(free)), {key: list(space) for key, space in spaces.items()}, inference]
    return sha256(canonical_json(tree))


def _folder(config: Config, settings: Mapping[str, Any], out: Path) -> Path:
    """Return the run folder of a try: its settings as far as a name is long, and a hash of all settings."""
    words = [f"{key.rpartition('.')[2]} {value}" for key, value in settings.items()]
    digest = sha256(canonical_json([result_settings(config), settings]))[:10]
    return out / f"{slug(' '.join(words))[:60]}-{digest}"


def _try(
    number: int,
    config: Config,
    settings: dict[str, Any],
    data: Data,
    inference: Literal["goodness", "linear"],
    out: Path,
    watcher: Watcher,
) -> Trial:
    """Return a try: the validation accuracy of the run of these settings, started, resumed or there already."""
    folder = _folder(config, settings, out)
    try:
        whole = config.replaced({**settings, "inference.test": False}, "--vary")
        check_settings(whole, folder)
        run = None
        while run is None:
            try:
                run = start_or_resume(whole, folder, watcher, data)
            except LockedError:  # another process has come to the same settings
                wait_until_unlocked(folder)
    except FFLabelsError as reason:
        if isinstance(reason.__cause__, OSError):  # such as a full disk: no fault of these settings
            raise
        return Trial(number, settings, None, folder, str(reason))
    assert run.results
    assert run.results.validation
    accuracies = run.results.validation.accuracies
    accuracy = accuracies[inference if whole.algorithm == "ff" else whole.algorithm].accuracy
    return Trial(number, settings, accuracy, folder)
