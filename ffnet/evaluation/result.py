"""What an evaluation returns: accuracies by inference method. Imports no PyTorch, so that overviews read them fast."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

SplitName: TypeAlias = Literal["validation", "test"]


class Accuracy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Accuracy of one inference method on a split.

    Attributes
    ----------
    accuracy
        Share of images whose predicted class is right.
    per_class
        The same for each class; None for a class without images.
    confusion
        Number of images by right class (row) and predicted class (column).
    layers
        Accuracy of each layer's goodness alone; empty for methods other than goodness.
    untrained
        Accuracy of the same method on the untrained net: of linear with its own linear classifier, of goodness with
        all layers weighted alike. None for methods without this control.
    agreement
        Share of images with the same prediction as the method that this one approximates; None for other methods.
    passes
        Mean passes per image and view of a method that saves passes; None for other methods. Goodness takes one pass
        per label.
    """

    accuracy: float
    per_class: list[float | None]
    confusion: list[list[int]]
    layers: list[float] = []
    untrained: float | None = None
    agreement: float | None = None
    passes: float | None = None


class Evaluation(msgspec.Struct, frozen=True):
    """The accuracies of a net on a split, by inference method.

    ``evaluation.goodness`` is short for ``evaluation.accuracies.get("goodness")``; the same holds for other methods.
    """

    split: SplitName
    images: int
    accuracies: dict[str, Accuracy]

    def __getattr__(self, name: str) -> Accuracy | None:
        import ffnet.inference.predict  # noqa: F401 - registers the methods, and imports PyTorch
        from ffnet.inference.registry import INFERENCES

        if name in INFERENCES or name == "both":
            return self.accuracies.get(name)
        raise AttributeError(name)

    @property
    def readings(self) -> dict[str, Accuracy]:
        """Old name of `accuracies`."""
        return self.accuracies

    def to_builtins(self) -> dict[str, Any]:
        """Return the evaluation in the form of results.json and ``--json``: one key per method."""
        accuracies = {name: msgspec.to_builtins(accuracy) for name, accuracy in self.accuracies.items()}
        return {"split": self.split, "images": self.images, **accuracies}

    @classmethod
    def from_builtins(cls, value: dict[str, Any]) -> Evaluation:
        """Return the evaluation from the result of `to_builtins`; raises msgspec's errors."""
        accuracies = {name: entry for name, entry in value.items() if name not in ("split", "images")}
        fields = {"split": value.get("split"), "images": value.get("images"), "accuracies": accuracies}
        return msgspec.convert(fields, cls)
