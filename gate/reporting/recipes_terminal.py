"""Recipes for people: a table of them, one in full as YAML that is a recipe again, and what was copied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import orjson

from gate.reporting.inert import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from gate.training.recipe_overview import Copied, Listed, Shown, Value

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
_NOT_TEXT = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_COLUMN = 34
"""Where comments begin, after values of a usual length."""


def render_recipes(recipes: Sequence[Listed], console: Console) -> None:
    """Print a line for each recipe, and below what has to be given to those that need something."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("recipe", "objective", "method", "what for"):
        table.add_column(name, no_wrap=name != "what for", overflow="fold")
    for recipe in recipes:
        about = Text(one_line(recipe.about))
        if recipe.needs:
            about.append(f" (--set {recipe.needs[0]}=…)", style="yellow")
        if recipe.problem:
            about = Text(f"cannot be read: {one_line(recipe.problem)}", style="red")
        table.add_row(Text(recipe.name, style="bold"), Text(recipe.objective), Text(recipe.method), about)
    console.print(table)


def recipe_yaml(shown: Shown) -> str:
    """A recipe in full, as YAML: every key that its method and objective know, where it was written, and what the
    guides say against it. Read again as a file, it says the same."""
    return "\n".join(_lines(shown)) + "\n"


def _lines(shown: Shown) -> Iterator[str]:
    resolved = shown.resolved
    yield f"# trained by {one_line(shown.script)}; what each key means: docs/recipes.md"
    if resolved.recipe.about:
        yield f"about: {_scalar(one_line(resolved.recipe.about))}"
    above = ""
    for value in shown.values:
        top, _, inner = value.key.partition(".")
        if inner and top != above:
            yield f"{top}:"
        above = top
        needed = value.key in resolved.needs
        origin = "needed: --set " + value.key + "=…" if needed else one_line(value.origin or "default")
        key = f"  {_scalar(inner)}" if inner else top
        yield f"{f'{key}: {_shown(value)}':<{_COLUMN}} # {origin}"
    for each in shown.advice:
        yield f"# {'warning' if each.agreed else 'note'}: {each.message}"
        yield f"#   {each.remedy}"


def _shown(value: Value) -> str:
    return _scalar(value.value)


def _scalar(value: object) -> str:
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) is not None and value.lower() not in _NOT_TEXT
        return value if plain else orjson.dumps(value).decode()
    if isinstance(value, float):
        return f"{value:.12g}"
    return orjson.dumps(value).decode()


def recipe_json(shown: Shown) -> bytes:
    """`gate.recipe/1`: the same for programs, with a final line feed."""
    resolved = shown.resolved
    content = {
        "schema": "gate.recipe/1",
        "name": resolved.name,
        "about": resolved.recipe.about,
        "digest": resolved.digest(),
        "files": list(resolved.files),
        "script": shown.script,
        "needs": list(resolved.needs),
        "recipe": resolved.document(),
        "origins": {value.key: value.origin for value in shown.values},
        "advice": [
            {
                "key": each.key,
                "value": each.value,
                "agreed": each.agreed,
                "message": each.message,
                "remedy": each.remedy,
            }
            for each in shown.advice
        ],
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def render_copied(files: Sequence[Copied], console: Console) -> None:
    """Print what was written and what it is for."""
    from rich.text import Text

    words = {"written": "wrote", "replaced": "replaced", "same": "left alone (the same already)"}
    for file in files:
        console.print(Text(f"{words[file.status]} {one_line(str(file.path))}", style="bold"), soft_wrap=True)
        console.print(Text(f"  {file.why}", style="dim"), soft_wrap=True)
