"""The registry of inference methods. To add one, write a function from images to scores and register it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from fflabels.errors import FFLabelsError, nearest
from ffnet.model.net import FFNet, Net


class Answer(NamedTuple):
    """The result of an inference method for N images.

    Attributes
    ----------
    scores
        (N, classes); the class with the largest is predicted. −∞ for classes that were dropped.
    passes
        Mean number of passes through the net per image and view, for methods that save passes; else None.
    """

    scores: Tensor
    passes: float | None = None


@dataclass(frozen=True)
class InferenceMethod:
    """An inference method.

    Attributes
    ----------
    score
        Net of the class `nets`, images (N, C, H, W), the number after the name (``cascade:3``) or None, images per
        pass or None → answer.
    nets
        The class of nets that it works on.
    needs
        The attribute of the net that holds the head it needs, or None.
    reported
        Whether an evaluation includes it by default.
    control
        Whether an evaluation computes the untrained net to report the accuracy on it. Goodness is also evaluated on an
        untrained net that is at hand.
    stands_for
        The method that it approximates at lower cost; an evaluation reports how often the two agree.
    by_label
        Whether it saves passes of goodness that takes one per label: useless where labels are codes.
    number
        Default of the number after the name; None for methods without a number.
    """

    score: Callable[[Any, Tensor, int | None, int | None], Answer]
    nets: type[Net] = FFNet
    needs: str | None = None
    reported: bool = False
    control: bool = False
    stands_for: str | None = None
    by_label: bool = False
    number: int | None = None


INFERENCES: dict[str, InferenceMethod] = {}


def get_inference(text: str) -> tuple[str, InferenceMethod, int | None]:
    """Return the name, the method and the number of ``name`` or ``name:k``.

    Raises
    ------
    FFLabelsError
        If there is no such method, or the number is not a positive integer.
    """
    name, colon, count = str(text).partition(":")
    method = INFERENCES.get(name)
    if not method or (colon and not method.number):
        raise FFLabelsError(
            "unknown inference",
            where="inference",
            got=text,
            expected=known_inferences(),
            hint=nearest(name, INFERENCES),
        )
    if colon and not (count.isdecimal() and int(count) > 0):
        raise FFLabelsError("not a number of labels", where="inference", got=text, expected=f"{name}:1 or more")
    return name, method, int(count) if colon else method.number


def known_inferences() -> str:
    """Return the names of the methods for forward-forward nets, as text."""
    names = [name for name, method in INFERENCES.items() if issubclass(FFNet, method.nets)]
    names = [form for name in names for form in ([name, f"{name}:k"] if INFERENCES[name].number else [name])]
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
