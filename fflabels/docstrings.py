"""The docstrings of a class's fields, read from its source, since Python drops them."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap


def field_docs(kind: type) -> dict[str, str]:
    """Return the string below each field of a class, in one line; base classes first."""
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        try:
            [definition] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except (OSError, TypeError, SyntaxError, ValueError):
            continue
        body = definition.body if isinstance(definition, ast.ClassDef) else []
        for field, below in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                match below:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        docs[field.target.id] = " ".join(text.split())
    return docs
