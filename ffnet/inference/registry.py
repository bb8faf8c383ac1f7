"""The registry of inference methods: from images to scores. A new one is a function and a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from fflabels.errors import FFLabelsError, nearest
from ffnet.model.net import FFNet, Net


class Answer(NamedTuple):
    """What an inference method says of N images.

    Attributes
    ----------
    scores
        (N, classes): the largest is predicted; −∞ for classes that were not measured any further.
    passes
        Mean number of passes through the net per image and view, of methods that try to save some; else None.
    """

    scores: Tensor
    passes: float | None = None


@dataclass(frozen=True)
class InferenceMethod:
    """An inference method.

    Attributes
    ----------
    score
        Net, images (N, C, H, W), the number behind the name (``cascade:3``) or None, images per pass or None → answer.
    nets
        The kind of net that it works on.
    needs
        The head that has to be fitted first, by the net's attribute.
    reported
        Whether an evaluation has it without being asked.
    control
        Whether its accuracy stands beside that of the same method on the untrained net.
    stands_for
        The method whose answer it approximates at less cost; an evaluation says how often they agree.
    number
        Default of the number behind the name; None where there is none.
    """

    score: Callable[[Net, Tensor, int | None, int | None], Answer]
    nets: type[Net] = FFNet
    needs: str | None = None
    reported: bool = False
    control: bool = False
    stands_for: str | None = None
    number: int | None = None


INFERENCES: dict[str, InferenceMethod] = {}


def get_inference(text: str) -> tuple[str, InferenceMethod, int | None]:
    """Return the name, the method and the number that ``name`` or ``name:k`` means.

    Raises
    ------
    FFLabelsError
        When it means none.
    """
    name, colon, count = str(text).partition(":")
    method = INFERENCES.get(name)
    takes_number = bool(method and method.number)
    if not method or (colon and not (takes_number and count.isdecimal() and int(count) > 0)):
        raise FFLabelsError(
            "unknown inference",
            where="inference",
            got=text,
            expected=known_inferences(),
            hint=nearest(name, INFERENCES),
        )
    return name, method, int(count) if colon else method.number


def known_inferences(nets: type[Net] = FFNet) -> str:
    """Return the methods for a kind of net, in words."""
    names = [name for name, method in INFERENCES.items() if issubclass(nets, method.nets)]
    names = [form for name in names for form in ([name, f"{name}:k"] if INFERENCES[name].number else [name])]
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
