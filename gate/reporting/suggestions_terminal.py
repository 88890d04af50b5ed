"""Suggested rules for somebody at a terminal: each reason, what would have caught its examples, and what else it would
flag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from gate.reporting.drafts import Found, reason_shown, told
from gate.snapshots.predicates import BEHIND
from gate.snapshots.suggest import Group


class Suggested(Protocol):
    """What is rendered (`gate.verbs.suggest.Suggestions`)."""

    @property
    def good(self) -> int: ...
    @property
    def bad(self) -> int: ...
    @property
    def groups(self) -> Sequence[tuple[Group, Sequence[Found]]]: ...
    @property
    def checked(self) -> bool: ...


def render(suggested: Suggested, console: Console) -> None:
    """Print them."""
    console.print(Text(f"{suggested.bad:,} bad and {suggested.good:,} good examples were reviewed.", style="bold"))
    if not suggested.checked:
        console.print(Text("Signatures were not checked (name a trust file with --trust to).", style="dim"))
    for group, found in suggested.groups:
        console.print()
        console.print(Text.assemble((reason_shown(group), "bold"), f"  {len(group.ids):,} bad"))
        if not found:
            console.print(Padding(Text(_nothing(group)), (0, 0, 0, 2), expand=False))
        for number, each in enumerate(found, start=1):
            heading, *rest = told(each).removeprefix(f"{reason_shown(group)}: ").splitlines()
            console.print(Padding(Text(f"{number}. {heading}"), (0, 0, 0, 2), expand=False))
            console.print(Padding(Text("\n".join(rest)), (0, 0, 0, 5), expand=False))
            for place in each.places:
                console.print(
                    Padding(Text(place, style="dim"), (0, 0, 0, 5), expand=False), no_wrap=True, overflow="ellipsis"
                )
    console.print()


def _nothing(group: Group) -> str:
    if len(group.ids) < BEHIND:
        return f"Too few to draw a rule from: that takes at least {BEHIND}."
    return "Nothing that gate can measure tells them from the good ones beyond chance: this takes people."
