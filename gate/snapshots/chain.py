"""The chain behind a snapshot as a tree of links, each with what was found of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from gate.errors import GateError

State = Literal["whole", "broken", "erased", "ignored"]
"""`erased`: examples were removed on purpose, and a signed tombstone says so. `ignored`: it does not count, and nothing
rests on it."""


@dataclass(frozen=True, slots=True)
class Link:
    """Something that was checked, and what it rests on."""

    what: str
    """Its kind: `admission`, `approval`, `rows`, `sources`, …"""
    name: str
    """The file in the store (or of the data) that it is about; empty where it is about several."""
    state: State = "whole"
    said: str = ""
    """What was found, in a sentence without a full stop."""
    remedy: str | None = None
    """Of a broken one: what to do next."""
    children: tuple[Link, ...] = ()

    def every(self) -> Iterator[Link]:
        """The link and all below it, as a tree is read."""
        yield self
        for child in self.children:
            yield from child.every()

    def broken(self) -> list[Link]:
        """The broken ones, the first first."""
        return [link for link in self.every() if link.state == "broken"]


def broken(what: str, error: GateError, name: str = "", children: Iterable[Link] = ()) -> Link:
    """The link that an error says is broken."""
    return Link(what, error.where or name, "broken", error.what, error.remedy, tuple(children))
