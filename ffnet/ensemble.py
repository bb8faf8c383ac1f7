"""Several runs read as one: every net learnt alone, with labels of its own; what they say is summed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self, get_args

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.calibration import DECAY, likeliest_weights
from ffnet.config import Inference
from ffnet.data import Data, Split
from ffnet.devices import memory_errors
from ffnet.metrics import Evaluation, SplitName, accuracy, reading_of
from ffnet.network import FFNet
from ffnet.readings import goodness_scores, linear_scores
from ffnet.run import Run

SCORES = {"goodness": goodness_scores, "linear": linear_scores}
READINGS = {"goodness": ("goodness",), "linear": ("linear",), "both": ("goodness", "linear")}
"""What each reading sums, of every net."""

Measured = dict[str, Tensor]
"""For goodness and for linear, what every net says: (nets, N, classes)."""


class Ensemble:
    """Trained nets that answer together [ours].

    *goodness* sums the nets' goodness of each label, *linear* their classifiers' logits, *both* all of these; each with
    a weight that makes the right classes of the validation images likeliest. No net is trained further, and nothing
    passes between them.

    Parameters
    ----------
    runs
        Finished forward-forward runs on the same images, set apart in the same way; one is enough for *both*.

    Attributes
    ----------
    weights
        Of each reading, once `fit` was called: a weight a net; for *both* those of goodness, then those of linear.

    Raises
    ------
    FFLabelsError
        For runs that are unfinished, trained by back-propagation, of other images, or there twice; it names the folder.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        self.runs = list(runs)
        self.weights: dict[str, Tensor] = {}
        _check(self.runs)

    @property
    def nets(self) -> list[FFNet]:
        """Return the nets."""
        return [run.net for run in self.runs if isinstance(run.net, FFNet)]

    def fit(self, data: Data) -> Self:
        """Fit the weights of every reading to the validation images, of which there have to be some."""
        self._fit(self._measured(data, "validation", SCORES), data, READINGS)
        return self

    def scores(self, images: Tensor, *, method: Inference = "both") -> Tensor:
        """Return what `predict` takes the largest of, (N, classes).

        Raises
        ------
        FFLabelsError
            For another reading, and before `fit`.
        """
        _check_method(method)
        if method not in self.weights:
            raise FFLabelsError("not fitted", where="Ensemble", hint="call fit first, with the data of the runs")
        images = torch.as_tensor(images)
        measured = {kind: self._all(kind, self.nets, images) for kind in READINGS[method]}
        return _summed(measured, READINGS[method], self.weights[method])

    def predict(self, images: Tensor, *, method: Inference = "both") -> Tensor:
        """Return the predicted classes of images (N, C, H, W), (N,) int64: see `scores`."""
        return self.scores(images, method=method).argmax(1)

    @memory_errors()
    def evaluate(
        self, data: Data, split: SplitName = "validation", *, inference: Inference | None = None
    ) -> Evaluation:
        """Return accuracies on a split; a look at the test images is counted in every run's folder.

        The weights are fitted to the validation images, whose own accuracy they flatter a little. Beside *linear*
        stands the same of the nets as they were before training.

        Raises
        ------
        FFLabelsError
            For an unknown split or reading, and for an empty split, validation images always being needed.
        """
        if split not in get_args(SplitName):
            raise FFLabelsError("unknown split", where="split", got=split, expected="validation or test")
        if inference:
            _check_method(inference)
        names = [inference] if inference else list(READINGS)
        kinds = [kind for kind in SCORES if any(kind in READINGS[name] for name in names)]
        chosen_by = self._measured(data, "validation", kinds)
        self._fit(chosen_by, data, names)
        part: Split = getattr(data, split)
        if split == "test" and len(part):
            for run in self.runs:
                run.count_test_read()
        seen = chosen_by if split == "validation" else self._measured(data, split, kinds)
        found = {}
        for name in names:
            scores_NC = _summed(seen, READINGS[name], self.weights[name])
            first = self._untrained(data, part) if name == "linear" else None
            found[name] = reading_of(scores_NC, part, data.classes, untrained=first)
        return Evaluation(split, len(part), **found)

    def _fit(self, measured: Measured, data: Data, names: Iterable[str]) -> None:
        for name in names:
            whole_KNC = torch.cat([measured[kind] for kind in READINGS[name]])
            self.weights[name] = likeliest_weights(whole_KNC, data.validation.classes, decay=DECAY)

    def _measured(self, data: Data, split: SplitName, kinds: Iterable[str]) -> Measured:
        part: Split = getattr(data, split)
        if not len(part):
            raise FFLabelsError("no images", where=f"split {split}", hint="data.validation sets some apart")
        return {kind: self._all(kind, self.nets, part.images) for kind in kinds}

    def _all(self, kind: str, nets: Sequence[FFNet], images: Tensor) -> Tensor:
        return torch.stack([SCORES[kind](net, images).cpu() for net in nets])

    def _untrained(self, data: Data, part: Split) -> float:
        """Return the accuracy of the classifiers on the nets as they were before training, weights fitted likewise."""
        controls = [control for run in self.runs if (control := run.control(data))]
        chosen_by = self._all("linear", controls, data.validation.images)
        weights_K = likeliest_weights(chosen_by, data.validation.classes, decay=DECAY)
        seen = chosen_by if part is data.validation else self._all("linear", controls, part.images)
        return accuracy(_summed({"linear": seen}, ("linear",), weights_K).argmax(1), part.classes)


def _summed(measured: Measured, kinds: Sequence[str], weights_K: Tensor) -> Tensor:
    """Return the weighted sum of what every net says, (N, classes)."""
    whole_KNC = torch.cat([measured[kind] for kind in kinds])
    return torch.einsum("knc,k->nc", whole_KNC.double(), weights_K.double())


def _check_method(method: Inference) -> None:
    if method not in READINGS:
        raise FFLabelsError("unknown inference of an ensemble", where="inference", got=method, expected=_LISTED)


_LISTED = ", ".join(READINGS)


def _check(runs: Sequence[Run]) -> None:
    """Refuse runs that cannot answer together."""
    if not runs:
        raise FFLabelsError("no run", where="Ensemble", expected="one or more")
    seen = set()
    for run in runs:
        where = str(run.folder)
        if not isinstance(run.net, FFNet):
            raise FFLabelsError("not forward-forward", where=where, got="algorithm bp")
        if run.results is None:
            raise FFLabelsError("not finished", where=where, hint="ffnet resume finishes the run")
        if run.about.data != runs[0].about.data:
            first = runs[0].about.data
            raise FFLabelsError(
                "other images than the first run's", where=where,
                got=f"{run.about.data.name}, {run.about.data.counts}", expected=f"{first.name}, {first.counts}",
            )  # fmt: skip
        if run.folder.resolve() in seen:
            raise FFLabelsError("there twice", where=where)
        seen.add(run.folder.resolve())
