"""Ensembles: nets that were trained separately, each with its own labels, and whose scores are summed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Self, get_args

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from fflabels.progress import Progress, silent
from ffnet.config import Inference
from ffnet.data.dataset import Data, Split
from ffnet.evaluation.accuracy import Evaluation, SplitName, accuracy, accuracy_of
from ffnet.fitting import fit_score_weights
from ffnet.inference.passes import goodness_scores, linear_scores
from ffnet.inference.predict import renamed_method
from ffnet.model.net import FFNet
from ffnet.runs.folder import Run, check_alike
from ffnet.system.devices import memory_errors

SCORES = {"goodness": goodness_scores, "linear": linear_scores}
SUMMED = {"goodness": ("goodness",), "linear": ("linear",), "both": ("goodness", "linear")}
"""Which scores of every net each inference method sums."""

UNTRAINED = "linear, untrained"
"""The kind of scores of the linear classifiers on the untrained nets."""

DECAY = 1e-3
"""Strength of the L2 penalty on the weights, for scores of unit standard deviation."""

NetScores = dict[str, Tensor]
"""The scores of every net, (nets, N, classes), by kind: goodness, linear, and linear on the untrained nets."""


class Ensemble:
    """An ensemble of trained nets [ours].

    *goodness* sums the nets' goodness of each label, *linear* sums the logits of their linear classifiers, *both* sums
    all of these. Each summand has a weight, which may be negative. The weights are fitted on validation images by
    regularised logistic regression. No net is trained further, and the nets exchange nothing.

    Parameters
    ----------
    runs
        Finished forward-forward runs on the same images, split in the same way. A single run is enough for *both*.

    Attributes
    ----------
    nets
        The nets.
    weights
        The fitted weights of each inference method, one per net; for *both* those of goodness, then those of linear.
        Empty before `fit`.

    Raises
    ------
    FFLabelsError
        For a run that is unfinished, is a baseline, used another data set, or is given twice. The
        error names its folder.

    Examples
    --------
    >>> import tempfile, ffnet
    >>> small = ["labels.set=fourier:paper10", "data.limit=100", "train.epochs=1", "net.widths=[4,4,4]"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = ffnet.train(ffnet.Config().override(small), out=folder)
    ...     ensemble = ffnet.Ensemble([run]).fit(run.data())
    ...     ensemble.predict(run.data().test.images[:5], inference="both").shape
    torch.Size([5])
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        self.runs = list(runs)
        self.nets = _checked_nets(self.runs)
        self.weights: dict[str, Tensor] = {}
        self._cache: dict[tuple[Path, str, str, str], Tensor] = {}

    def some(self, runs: Iterable[Run]) -> Ensemble:
        """Return an ensemble of these runs that shares this one's cache of scores."""
        ensemble = Ensemble(runs)
        ensemble._cache = self._cache
        return ensemble

    @memory_errors()
    def fit(self, data: Data) -> Self:
        """Fit the weights of every inference method on the validation images; there must be some."""
        scores = self._split_scores(data, "validation", SCORES)
        self.weights = {name: _fit_weights(scores, name, data.validation.classes) for name in SUMMED}
        return self

    @memory_errors()
    def scores(self, images: Tensor, *, inference: Inference = "both", method: Inference | None = None) -> Tensor:
        """Return the scores whose largest decides the class, (N, classes) float64 on the CPU.

        Parameters
        ----------
        images
            (N, C, H, W), bytes or floats in [0, 1].
        inference
            ``goodness``, ``linear`` or ``both``.
        method
            The old name of `inference`.

        Raises
        ------
        FFLabelsError
            For another inference method, and before `fit`.
        """
        inference = renamed_method(inference, method) or "both"
        _check_inference(inference)
        if inference not in self.weights:
            raise FFLabelsError("not fitted", where="Ensemble", hint="call fit first, with the data of the runs")
        images = torch.as_tensor(images)
        scores = {
            kind: torch.stack([SCORES[kind](net, images).cpu() for net in self.nets]) for kind in SUMMED[inference]
        }
        return _weighted_sum(scores, inference, self.weights[inference])

    def predict(self, images: Tensor, *, inference: Inference = "both", method: Inference | None = None) -> Tensor:
        """Return the predicted classes of images (N, C, H, W), (N,) int64: see `scores`."""
        return self.scores(images, inference=renamed_method(inference, method) or "both").argmax(1)

    @memory_errors()
    def evaluate(
        self,
        data: Data,
        split: SplitName = "validation",
        *,
        inference: Inference | None = None,
        progress: Progress = silent,
    ) -> Evaluation:
        """Return accuracies on a split; every run's folder counts each reading of the test images.

        Test images are evaluated with weights fitted on all validation images, as after `fit`. Each half of the
        validation images is evaluated with weights fitted on the other half. Beside *linear* stands the same for the
        linear classifiers on the untrained nets, with weights of their own.

        Parameters
        ----------
        data, split, inference
            As for `Run.evaluate`; inference may be ``both``, too.
        progress
            Called with the split, the number of nets and methods done, and the number in all.

        Raises
        ------
        FFLabelsError
            For an unknown split or inference method, and for an empty split. Validation images are always needed.
        """
        # Check the arguments before a reading of the test images is counted.
        if split not in get_args(SplitName):
            raise FFLabelsError("unknown split", where="split", got=split, expected="validation or test")
        if inference:
            _check_inference(inference)
        names = [inference] if inference else list(SUMMED)
        kinds = [kind for kind in SCORES if any(kind in SUMMED[name] for name in names)]
        kinds += [UNTRAINED] if "linear" in names else []

        # The scores of every net: validation images fit the weights, test images are read only when asked for.
        validation, test = self._split_scores(data, "validation", kinds, progress), None
        if split == "test":
            for run in self.runs if len(data.test) else ():
                run.count_test_read()
            test = self._split_scores(data, split, kinds, progress)

        # Accuracy by each inference method.
        part: Split = getattr(data, split)
        accuracies = {}
        for name in names:
            scores_NC = _ensemble_scores(name, validation, data.validation.classes, test)
            untrained = None
            if name == "linear":
                untrained_NC = _ensemble_scores(UNTRAINED, validation, data.validation.classes, test)
                untrained = accuracy(untrained_NC.argmax(1), part.classes)
            accuracies[name] = accuracy_of(scores_NC, part, data.classes, untrained=untrained)
        return Evaluation(split, len(part), accuracies)

    def _split_scores(
        self, data: Data, split: SplitName, kinds: Collection[str], progress: Progress = silent
    ) -> NetScores:
        """Return the scores of every net on a split, by kind."""
        part: Split = getattr(data, split)
        if not len(part):
            raise FFLabelsError("no images", where=f"split {split}", hint="data.validation sets some apart")
        scores: dict[str, list[Tensor]] = {kind: [] for kind in kinds}
        pairs = [(kind, run) for kind in kinds for run in self.runs]
        for done, (kind, run) in enumerate(pairs):
            progress(f"{split} images", done, len(pairs))
            scores[kind].append(self._run_scores(run, data, split, kind))
        progress(f"{split} images", len(pairs), len(pairs))
        return {kind: torch.stack(of_runs) for kind, of_runs in scores.items()}

    def _run_scores(self, run: Run, data: Data, split: str, kind: str) -> Tensor:
        """Return the scores of one net on a split, (N, classes); they are cached."""
        key = (run.folder, data.digest, split, kind)
        if key not in self._cache:
            net = run.control(data) if kind == UNTRAINED else run.net
            assert isinstance(net, FFNet)
            scores_of = SCORES.get(kind, linear_scores)
            self._cache[key] = scores_of(net, getattr(data, split).images).cpu()
        return self._cache[key]


def _ensemble_scores(name: str, validation: NetScores, classes_N: Tensor, test: NetScores | None = None) -> Tensor:
    """Return the ensemble's scores (N, classes) of the test images, or of the validation images if there are none.

    The weights are fitted on the validation images, whose classes are given. For the validation images themselves the
    weights of each half are fitted on the other half.
    """
    if test:
        return _weighted_sum(test, name, _fit_weights(validation, name, classes_N))
    if len(classes_N) < 2:
        raise FFLabelsError("too few validation images", where="split validation", got=len(classes_N), expected="2")
    odd_N = torch.arange(len(classes_N)) % 2 == 1
    scores_NC = torch.empty(len(classes_N), next(iter(validation.values())).shape[2], dtype=torch.float64)
    for half_N in (~odd_N, odd_N):
        own, other = ({kind: scores[:, part] for kind, scores in validation.items()} for part in (half_N, ~half_N))
        scores_NC[half_N] = _weighted_sum(own, name, _fit_weights(other, name, classes_N[~half_N]))
    return scores_NC


def _fit_weights(scores: NetScores, name: str, classes_N: Tensor) -> Tensor:
    return fit_score_weights(_summands(scores, name), classes_N, decay=DECAY)


def _weighted_sum(scores: NetScores, name: str, weight_K: Tensor) -> Tensor:
    return torch.einsum("knc,k->nc", _summands(scores, name).double(), weight_K)


def _summands(scores: NetScores, name: str) -> Tensor:
    return torch.cat([scores[kind] for kind in SUMMED.get(name, (name,))])


def _check_inference(inference: Inference) -> None:
    if inference not in SUMMED:
        raise FFLabelsError(
            "unknown inference of an ensemble", where="inference", got=inference, expected=", ".join(SUMMED)
        )


def _checked_nets(runs: Sequence[Run]) -> list[FFNet]:
    """Return the nets of runs; refuse runs that do not form an ensemble."""
    if not runs:
        raise FFLabelsError("no run", where="Ensemble", expected="one or more")
    check_alike(runs)
    nets, seen = [], []
    for run in runs:
        if not isinstance(run.net, FFNet):
            raise FFLabelsError("not forward-forward", where=str(run.folder), got=f"algorithm {run.config.algorithm}")
        if (settings := (run.config, run.net.labels, run.about.started)) in seen:
            where, got = str(run.folder), f"seed {run.config.seed}"
            raise FFLabelsError("the same settings and seed twice", where=where, got=got)
        seen.append(settings)
        nets.append(run.net)
    return nets
