"""The chain behind a snapshot for somebody at a terminal: a tree with a mark per link, and what follows from it."""

from __future__ import annotations

import re

from rich.console import Console
from rich.text import Text

from gate.reporting.terminal import one_line
from gate.snapshots.chain import Link, State
from gate.snapshots.verification import Verification

_MARKS: dict[State, tuple[str, str]] = {
    "whole": ("✓", "green"),
    "broken": ("✗", "bold red"),
    "erased": ("∅", "yellow"),
    "ignored": ("·", "dim"),
}
_STATUS = {"approved": "bold green", "whole": "bold green", "waiting": "bold yellow"}
_DIGEST = re.compile(r"(?:statements/|objects/../)?\b([0-9a-f]{12})[0-9a-f]{52}\b(?:\.[a-z]+)?")
_LONGEST = 400  # characters of what somebody else wrote, such as a reason
_HEADS = 8


def render_chain(found: Verification, console: Console, seconds: float) -> None:
    """Print the tree, what is broken first, and how the snapshot stands."""
    console.print(_line(found.chain, root=found.verdict), soft_wrap=True)
    _children(found.chain, "", console)
    console.print()
    size = f"{found.bytes / 1e6:,.1f} MB"
    counted = f"{found.statements:,} signed files and {found.objects:,} objects ({size}) checked in {seconds:.1f} s"
    console.print(Text.assemble((found.verdict.upper(), _STATUS.get(found.verdict, "bold red")), f"  {counted}"))
    if found.broken:
        _broken(found.broken, console)
        return
    for stands in found.standings:
        if stands.status != "approved" or not found.decides:
            said = "; ".join(stands.reasons) or "nothing is in its way"
            line = f"{stands.snapshot[:12]}  {stands.status}: {said}"
            console.print(Text(one_line(line, _LONGEST)), soft_wrap=True)
    if found.verdict == "erased":
        console.print(Text("the chain closes: what is missing was removed on purpose; admit the data anew"))
    if found.verdict == "waiting":
        digest = found.standings[0].admission.digest[:12]
        console.print(Text(f"a reviewer looks at it and signs: gate approve {digest}"))
    for head in found.heads[:_HEADS]:
        console.print(Text(f"--head {head.digest}  {one_line(head.author, 64)}", style="dim"), soft_wrap=True)


def _broken(links: list[Link], console: Console) -> None:
    first = links[0]
    where = f"{one_line(first.name, _LONGEST)}: " if first.name else ""
    console.print(Text(f"{where}{one_line(first.said, _LONGEST)}", style="red"), soft_wrap=True)
    if first.remedy:
        console.print(Text(f"  {one_line(first.remedy, _LONGEST)}"), soft_wrap=True)
    if len(links) > 1:
        console.print(Text(f"and {len(links) - 1:,} more, marked ✗ above"))


def _children(link: Link, indent: str, console: Console) -> None:
    """The tree below a link; lines are never cut, since the end of one may be what is wrong."""
    for number, child in enumerate(link.children, start=1):
        last = number == len(link.children)
        line = Text(indent + ("└─ " if last else "├─ "), style="dim")
        console.print(Text.assemble(line, _line(child)), soft_wrap=True)
        _children(child, indent + ("   " if last else "│  "), console)


def _line(link: Link, root: str | None = None) -> Text:
    mark, style = _MARKS[link.state]
    if root is not None and root not in _STATUS:
        mark, style = _MARKS["broken" if link.state == "whole" else link.state]
    # What is whole is told by the first digits; a broken file has to be found.
    name = link.name if link.state == "broken" else _DIGEST.sub(r"\1", link.name)
    return Text.assemble(
        (f"{mark} ", style),
        (link.what, "bold" if link.children else ""),
        f" {one_line(name, _LONGEST)}" if name else "",
        (f"  {one_line(link.said, _LONGEST)}" if link.said else "", "" if link.state == "whole" else style),
    )
