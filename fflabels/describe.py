"""What a labeler takes: its parameters with types, ranges, defaults and documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from fflabels.docstrings import field_docs
from fflabels.labeler import Labeler, Params, typed_text


@dataclass(frozen=True)
class Parameter:
    """One parameter of a labeler, in words: what a user reads before typing it.

    Attributes
    ----------
    name, type
        The name, and the type with its range: ``whole number, 1 to 64``.
    default
        As a user would type it.
    doc
        The field's docstring, in one line.
    """

    name: str
    type: str
    default: str
    doc: str


def parameters(labeler_type: type[Labeler[Any]]) -> list[Parameter]:
    """Return the parameters of a labeler.

    Examples
    --------
    >>> from fflabels.describe import parameters
    >>> from fflabels.labelers.fourier import Fourier
    >>> parameters(Fourier)[0]
    Parameter(name='waves', type='whole number, 1 to 64', default='1', doc='How many waves a label is the sum of.')
    """
    info = msgspec.inspect.type_info(labeler_type.params_type)
    assert isinstance(info, msgspec.inspect.StructType)
    docs = field_docs(labeler_type.params_type)
    defaults = labeler_type().params
    return [
        Parameter(field.name, _words(field.type), typed_text(getattr(defaults, field.name)), docs.get(field.name, ""))
        for field in info.fields
    ]


def words(params_type: type[Params], field: str) -> str:
    """Return what a parameter takes, in words."""
    info = msgspec.inspect.type_info(params_type)
    assert isinstance(info, msgspec.inspect.StructType)
    return next(_words(one.type) for one in info.fields if one.name == field)


def _words(kind: msgspec.inspect.Type) -> str:
    """Return a type in words."""
    match kind:
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType():
            return _with_range("whole number", kind)
        case msgspec.inspect.FloatType():
            return _with_range("number", kind)
        case msgspec.inspect.StrType():
            return "text"
        case msgspec.inspect.NoneType():
            return "null"
        case msgspec.inspect.LiteralType():
            return " | ".join(map(str, kind.values))
        case msgspec.inspect.EnumType():
            return " | ".join(str(one.value) for one in kind.cls)
        case msgspec.inspect.UnionType():
            return "; or ".join(map(_words, kind.types))
        case msgspec.inspect.TupleType():
            return f"list of ({'; '.join(map(_words, kind.item_types))})"
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return f"list of ({_words(kind.item_type)})"
        case _:
            return type(kind).__name__.removesuffix("Type").lower()


def _with_range(word: str, kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    low = f"{kind.ge:,}" if kind.ge is not None else f"more than {kind.gt:,}" if kind.gt is not None else ""
    high = f"{kind.le:,}" if kind.le is not None else f"less than {kind.lt:,}" if kind.lt is not None else ""
    if low and high:
        return f"{word}, {low} to {high}"
    if low:
        return f"{word}, {low}" if kind.ge is None else f"{word}, {low} or more"
    if high:
        return f"{word}, {high}" if kind.le is None else f"{word}, {high} or less"
    return word
