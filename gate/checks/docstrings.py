"""The meaning of each field of a class: the string that stands below it in its source."""

from __future__ import annotations

import ast
import inspect
import textwrap


def field_docstrings(owner: type) -> dict[str, str]:
    """By field, of the class itself and not of its parents; nothing where there is no source."""
    try:
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    except (OSError, TypeError, ValueError, SyntaxError):
        return {}
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
