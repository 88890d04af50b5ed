"""Values of a dataset's own columns (`meta`), and when one of them may be shown."""

from __future__ import annotations

import re

import polars as pl

COLUMN = r"[\w -]+(\.[\w -]+)*"
"""How a policy names a column: letters, digits, `_`, `-` and spaces; `.` leads into an object."""

_CATEGORY = re.compile(r"[a-z]+([_-][a-z]+){0,3}|[a-z]*[0-9]{1,2}|true|false|null")
_LONGEST = 24
"""Characters of a value that is shown."""


def meta_value(column: str) -> pl.Expr:
    """The text of a column of each example, null where it has none: strings as they are, anything else as JSON."""
    path = "$" + "".join(f'["{part}"]' for part in column.split("."))
    last = column.rsplit(".", 1)[-1]
    # Most rows of most datasets have no such column: a search for its name is far cheaper than a parse.
    there = pl.col("meta").str.contains(f'"{last}"', literal=True)
    return pl.when(there).then(pl.col("meta")).str.json_path_match(path)


def shown(value: str) -> str:
    """A category's value as it may be shown, or what stands for it.

    A column that a policy takes for a category may hold names or addresses: only what looks like a category, one to
    four short lower-case words or a small number, is shown.
    """
    if len(value) <= _LONGEST and _CATEGORY.fullmatch(value):
        return f"`{value}`"
    return "one value (not shown)"
