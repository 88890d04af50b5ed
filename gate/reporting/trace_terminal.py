"""The lives of examples for somebody at a terminal, or as JSON. What the examples say is in neither."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import orjson
from rich.console import Console
from rich.text import Text

from gate.reporting.terminal import one_line
from gate.snapshots.tracing import Found, Life, Sealed, Trace, TrainedIn

SCHEMA = 1
_LONGEST = 300
_BY = {"id": "with such an id", "message": "of which a whole message is that", "part": "that say it somewhere"}
_PLACES = 10  # rows of one snapshot that are listed


def trace_json(found: Trace) -> bytes:
    """The document that programs read; its form changes only with `schema`."""
    document = {"schema": SCHEMA} | asdict(found)
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def render_trace(found: Trace, console: Console) -> None:
    """Print each life: where it is from, where it went, what was found and said of it."""
    noun = "example" if found.matches == 1 else "examples"
    console.print(Text(f"{found.matches:,} {noun} {_BY[found.by]}"))
    for life in found.lives:
        console.print()
        _life(life, console)
    if found.matches > len(found.lives):
        console.print(Text(f"\nand {found.matches - len(found.lives):,} more: --limit 0 shows all"))
    if found.trust is None:
        console.print(Text("\nwho signed was not looked at: name whose word counts with --trust", style="dim"))


def _life(life: Life, console: Console) -> None:
    kind = f"{life.kind}, " if life.kind else ""
    state = "its content is in the store" if life.content else "its content is not in the store"
    console.print(Text.assemble((life.id, "bold"), f"  {kind}{state}"), soft_wrap=True)
    lines = [
        *(("snapshot", f"{_sealed(one)}: {_places(one)}") for one in life.admitted),
        *(("left out", f"{_sealed(one)}: {_places(one)}, by {', '.join(one.rules)}") for one in life.excluded),
        *((each.severity, f"{each.rule} ({each.code}) at {_place(each)}: {each.message}") for each in life.findings),
        *(("review", f"{said.verdict}, {_by(said.author, said.made, None)}") for said in life.reviews),
        *(("training", _trained(run)) for run in life.runs),
        *(("model", model) for model in life.models),
        *(("promotion", said) for said in life.promoted),
        *(("erased", f"{_by(one.author, one.made, one.trusted)}: {one.why}") for one in life.erasures),
    ]
    if not life.runs and life.admitted:
        lines.append(("training", "no run recorded in this store had it"))
    for what, said_of in lines:
        console.print(Text.assemble((f"  {what:<9} ", "dim"), one_line(said_of, _LONGEST)), soft_wrap=True)


def _sealed(one: Sealed) -> str:
    return f"{one.snapshot[:12]} {one.name}, {_by(one.author, one.made, one.trusted)}"


def _place(finding: Found) -> str:
    return f"{finding.file}:{finding.row}" if finding.row is not None else finding.file or "the dataset"


def _by(author: str, made: str, trusted: bool | None) -> str:
    return f"by {author} on {made[:10]}" + (" (not trusted)" if trusted is False else "")


def _trained(run: TrainedIn) -> str:
    times = "once" if run.times == 1 else f"{run.times:,} times"
    fate = f"learned from {times}" if run.fate == "trained" else f"{run.fate} ({run.reason or 'no reason is known'})"
    return f"{run.run}, {_by(run.author, run.made, run.trusted)}: {fate}, from {run.snapshot[:12]}"


def _places(one: Sealed) -> str:
    shown: Iterable[str] = (
        f"{place.file}:{place.row}" + (f" in {place.split}" if place.split else "") for place in one.places[:_PLACES]
    )
    more = len(one.places) - _PLACES
    return "; ".join(shown) + (f"; and {more:,} more rows" if more > 0 else "")
