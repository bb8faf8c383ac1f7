"""Hadamard matrices by the constructions of Sylvester and Paley, and their products.

A Hadamard matrix H of order m has entries ±1 and orthogonal rows: H Hᵀ = m I. Its order is 1, 2 or a multiple of 4. Of
the 256 multiples of 4 up to 1024 these constructions give all but 58; the smallest that they miss is 92.

Sources: Sylvester 1867 (products); Paley 1933, "On orthogonal matrices" (I and II).
"""

from __future__ import annotations

import itertools
import math
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from fflabels.errors import FFLabelsError

Signs = npt.NDArray[np.int8]

LARGEST = 1 << 12
"""The largest order that is made: 16 MiB."""

TWO = np.array([[1, 1], [1, -1]], np.int8)


def is_known(order: int) -> bool:
    """Return whether one of the constructions gives a matrix of this order."""
    return 1 <= order <= LARGEST and _construction(order) is not None


@lru_cache(maxsize=16)
def hadamard(order: int) -> Signs:
    """Return a Hadamard matrix (order, order) of ±1 whose first row is constant; read-only.

    Raises
    ------
    FFLabelsError
        When no construction gives this order, or it is above 4096; the nearest orders are named.

    Examples
    --------
    >>> from fflabels.hadamard import hadamard
    >>> hadamard(4).tolist()
    [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
    """
    construction = _construction(order) if 1 <= order <= LARGEST else None
    if construction is None:
        raise FFLabelsError(
            "no Hadamard matrix is known here", where="order", got=order, expected=alternatives(order),
        )  # fmt: skip
    matrix: Signs = _made(order, *construction)
    matrix = matrix * matrix[0]  # a column's sign is free: the first row becomes all ones
    matrix.flags.writeable = False
    return matrix


def alternatives(order: int, at_least: int = 1) -> str:
    """Return the nearest known orders from `at_least` on, one below and one above, in words."""
    below = next((m for m in range(min(order, LARGEST), at_least - 1, -1) if is_known(m)), None)
    above = next((m for m in range(max(order, at_least), LARGEST + 1) if is_known(m)), None)
    return " or ".join(str(m) for m in dict.fromkeys((below, above)) if m) or f"at most {LARGEST}"


@cache
def _construction(order: int) -> tuple[str, int] | None:
    """Return which construction gives an order, and its field's size or the first factor's order; None if none does."""
    if order <= 2:
        return "sylvester", order
    if order % 4:
        return None
    if order & (order - 1) == 0:
        return "product", 2
    if (order - 1) % 4 == 3 and _prime_power(order - 1):
        return "paley I", order - 1
    if (order // 2 - 1) % 4 == 1 and _prime_power(order // 2 - 1):
        return "paley II", order // 2 - 1
    factors = (a for a in range(2, math.isqrt(order) + 1) if order % a == 0)
    return next((("product", a) for a in factors if _construction(a) and _construction(order // a)), None)


def _made(order: int, construction: str, size: int) -> Signs:
    """Return the matrix of an order by its construction."""
    if construction == "sylvester":
        return TWO[:size, :size]
    if construction == "product":
        matrix: Signs = np.kron(hadamard(size), hadamard(order // size))
        return matrix

    # The Paley core: the quadratic character of all differences, bordered by ones.
    core = np.ones((size + 1, size + 1), np.int8)
    core[1:, 1:] = _characters(size)
    core[0, 0] = 0
    unit = np.eye(size + 1, dtype=np.int8)
    if construction == "paley I":
        core[1:, 0] = -1
        return core + unit
    both: Signs = np.kron(core, TWO) + np.kron(unit, np.array([[1, -1], [-1, -1]], np.int8))
    return both


def _characters(q: int) -> Signs:
    """Return χ(a − b) for all elements a, b of the field of q elements: 1 for squares, −1 for others, 0 for zero.

    An element is a polynomial of degree below k over the prime field, numbered by its coefficients as digits.
    """
    power = _prime_power(q)
    assert power
    p, k = power
    character = np.zeros(q, np.int8)
    for exponent, element in enumerate(_powers(p, k)):
        character[element] = 1 - 2 * (exponent % 2)  # the even powers of a generator are the squares
    place = p ** np.arange(k, dtype=np.int32)
    digits = np.arange(q, dtype=np.int32)[:, None] // place % p
    difference = (digits[:, None] - digits[None]) % p @ place
    of_all: Signs = character[difference]
    return of_all


def _powers(p: int, k: int) -> list[int]:
    """Return the powers x⁰ … of a generator of the field of pᵏ elements: x modulo the first primitive polynomial."""
    q = p**k
    for low in itertools.product(range(1, p), *[range(p)] * (k - 1)):
        element, powers = (1, *[0] * (k - 1)), [1]
        while len(powers) < q:
            top = element[-1]  # times x, less the polynomial xᵏ + low as often as xᵏ is there
            element = tuple((c - top * f) % p for c, f in zip((0, *element[:-1]), low, strict=True))
            number = sum(c * p**i for i, c in enumerate(element))
            if number == 1:
                break
            powers.append(number)
        if len(powers) == q - 1:
            return powers
    raise AssertionError(f"every finite field has a generator, that of {q} elements too")


def _prime_power(q: int) -> tuple[int, int] | None:
    """Return the prime p and the exponent k with q = pᵏ, or None."""
    if q < 2:
        return None
    p = next((d for d in range(2, math.isqrt(q) + 1) if q % d == 0), q)
    k = round(math.log(q, p))
    return (p, k) if p**k == q else None
