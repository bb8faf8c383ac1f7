"""Several runs read as one: every net learnt alone, with labels of its own; what they say is summed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self, get_args

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.config import Inference
from ffnet.data.dataset import Data, Split
from ffnet.evaluation.accuracy import Evaluation, SplitName, accuracy, accuracy_of
from ffnet.fitting import likeliest_weights
from ffnet.inference.linear import linear_scores
from ffnet.inference.passes import goodness_scores
from ffnet.inference.predict import renamed_method
from ffnet.model.net import FFNet
from ffnet.runs.folder import Run, check_alike
from ffnet.system.devices import memory_errors

SCORES = {"goodness": goodness_scores, "linear": linear_scores}
READINGS = {"goodness": ("goodness",), "linear": ("linear",), "both": ("goodness", "linear")}
"""What each reading sums, of every net."""

UNTRAINED = "linear, untrained"

DECAY = 1e-3
"""Of the squares of the weights, where what each net says varies by 1."""

Measured = dict[str, Tensor]
"""For goodness and for linear, what every net says: (nets, N, classes)."""


class Ensemble:
    """Trained nets that answer together [ours].

    *goodness* sums the nets' goodness of each label, *linear* their classifiers' logits, *both* all of these. Every
    summand has a weight; the weights make the right classes of the validation images likeliest, less a little of their
    squares, and one may be negative. No net is trained further, and nothing passes between them.

    Parameters
    ----------
    runs
        Finished forward-forward runs on the same images, set apart in the same way; one is enough for *both*.

    Attributes
    ----------
    nets
        The nets.
    weights
        Of each reading, since `fit`: a weight a net; for *both* those of goodness, then those of linear.

    Raises
    ------
    FFLabelsError
        For runs that are unfinished, trained by back-propagation, of other images, or there twice; it names the folder.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        self.runs = list(runs)
        self.nets = [run.net for run in self.runs if isinstance(run.net, FFNet)]
        self.weights: dict[str, Tensor] = {}
        self._kept: dict[tuple[Path, str, str, str], Tensor] = {}
        _check(self.runs)

    def some(self, runs: Iterable[Run]) -> Ensemble:
        """Return an ensemble of these runs that does not read again what was read of them here."""
        found = Ensemble(runs)
        found._kept = self._kept
        return found

    @memory_errors()
    def fit(self, data: Data) -> Self:
        """Fit the weights of every reading to the validation images, of which there have to be some."""
        measured = self._measured(data, "validation", SCORES)
        self.weights = {name: _fitted(measured, name, data.validation.classes) for name in READINGS}
        return self

    @memory_errors()
    def scores(self, images: Tensor, *, inference: Inference = "both", method: Inference | None = None) -> Tensor:
        """Return what `predict` takes the largest of, (N, classes) float64 on the CPU. `method` is an old name.

        Raises
        ------
        FFLabelsError
            For another reading, and before `fit`.
        """
        inference = renamed_method(inference, method) or "both"
        _check_inference(inference)
        if inference not in self.weights:
            raise FFLabelsError("not fitted", where="Ensemble", hint="call fit first, with the data of the runs")
        images = torch.as_tensor(images)
        measured = {
            kind: torch.stack([SCORES[kind](net, images).cpu() for net in self.nets]) for kind in READINGS[inference]
        }
        return _summed(measured, inference, self.weights[inference])

    def predict(self, images: Tensor, *, inference: Inference = "both", method: Inference | None = None) -> Tensor:
        """Return the predicted classes of images (N, C, H, W), (N,) int64: see `scores`."""
        return self.scores(images, inference=renamed_method(inference, method) or "both").argmax(1)

    @memory_errors()
    def evaluate(
        self, data: Data, split: SplitName = "validation", *, inference: Inference | None = None
    ) -> Evaluation:
        """Return accuracies on a split; a look at the test images is counted in every run's folder.

        Test images are read with weights fitted to all validation images, as `predict` does after `fit`; of the
        validation images each half with weights fitted to the other. Beside *linear* stands the same of the nets as
        they were before training.

        Raises
        ------
        FFLabelsError
            For an unknown split or reading, and for an empty split, validation images always being needed.
        """
        if split not in get_args(SplitName):
            raise FFLabelsError("unknown split", where="split", got=split, expected="validation or test")
        if inference:
            _check_inference(inference)
        names = [inference] if inference else list(READINGS)
        kinds = [kind for kind in SCORES if any(kind in READINGS[name] for name in names)]
        chosen_by, seen = self._measured(data, "validation", kinds), None
        if split == "test":
            for run in self.runs if len(data.test) else ():
                run.count_test_read()
            seen = self._measured(data, split, kinds)
        part: Split = getattr(data, split)
        accuracies = {}
        for name in names:
            scores_NC = _read(name, chosen_by, data.validation.classes, seen)
            first = self._untrained(data, split) if name == "linear" else None
            accuracies[name] = accuracy_of(scores_NC, part, data.classes, untrained=first)
        return Evaluation(split, len(part), accuracies)

    def _measured(self, data: Data, split: SplitName, kinds: Iterable[str]) -> Measured:
        part: Split = getattr(data, split)
        if not len(part):
            raise FFLabelsError("no images", where=f"split {split}", hint="data.validation sets some apart")
        return {kind: torch.stack([self._said(run, data, split, kind) for run in self.runs]) for kind in kinds}

    def _untrained(self, data: Data, split: SplitName) -> float:
        """Return the accuracy of the classifiers on the nets as they were before training, weighted likewise."""
        whole = {
            name: {"linear": torch.stack([self._said(run, data, name, UNTRAINED) for run in self.runs])}
            for name in dict.fromkeys(("validation", split))
        }
        scores_NC = _read("linear", whole.pop("validation"), data.validation.classes, whole.get(split))
        part: Split = getattr(data, split)
        return accuracy(scores_NC.argmax(1), part.classes)

    def _said(self, run: Run, data: Data, split: str, kind: str) -> Tensor:
        """Return what a net says of a split, (N, classes), which is kept."""
        key = (run.folder, data.digest, split, kind)
        if key not in self._kept:
            net = run.control(data) if kind == UNTRAINED else run.net
            assert isinstance(net, FFNet)
            read = SCORES.get(kind, linear_scores)
            self._kept[key] = read(net, getattr(data, split).images).cpu()
        return self._kept[key]


def _read(name: str, chosen_by: Measured, classes_N: Tensor, seen: Measured | None = None) -> Tensor:
    """Return the scores (N, classes) of images; without any, of those that the weights are fitted to, half by half."""
    if seen:
        return _summed(seen, name, _fitted(chosen_by, name, classes_N))
    halves = torch.arange(len(classes_N)) % 2
    found = torch.empty(len(classes_N), next(iter(chosen_by.values())).shape[2], dtype=torch.float64)
    for half in (0, 1):
        own, other = (
            {kind: said[:, where] for kind, said in chosen_by.items()} for where in (halves == half, halves != half)
        )
        found[halves == half] = _summed(own, name, _fitted(other, name, classes_N[halves != half]))
    return found


def _fitted(measured: Measured, name: str, classes_N: Tensor) -> Tensor:
    return likeliest_weights(_summands(measured, name), classes_N, decay=DECAY)


def _summed(measured: Measured, name: str, weight_K: Tensor) -> Tensor:
    return torch.einsum("knc,k->nc", _summands(measured, name).double(), weight_K)


def _summands(measured: Measured, name: str) -> Tensor:
    return torch.cat([measured[kind] for kind in READINGS[name]])


def _check_inference(inference: Inference) -> None:
    if inference not in READINGS:
        raise FFLabelsError(
            "unknown inference of an ensemble", where="inference", got=inference, expected=", ".join(READINGS)
        )


def _check(runs: Sequence[Run]) -> None:
    """Refuse runs that cannot answer together."""
    if not runs:
        raise FFLabelsError("no run", where="Ensemble", expected="one or more")
    check_alike(runs)
    seen = []
    for run in runs:
        if not isinstance(run.net, FFNet):
            raise FFLabelsError("not forward-forward", where=str(run.folder), got="algorithm bp")
        if (one := (run.config, run.net.labels.recipes)) in seen:
            where, got = str(run.folder), f"seed {run.config.seed}"
            raise FFLabelsError("two runs of one seed are one run", where=where, got=got)
        seen.append(one)
