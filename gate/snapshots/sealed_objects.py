"""Reads the objects that statements name, hashed as they are read, and what stands for those that were erased."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gate.provenance.statements import Erasure, Statement
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.reach import Erased, current, erased
from gate.store.objects import Damaged, Store

LARGEST = 8 << 30
"""Bytes of an object that is looked into: a guard, some hundred times what gate writes."""


@dataclass(frozen=True, slots=True)
class Content:
    """An object as it is now."""

    name: str
    """Its file in the store."""
    content: bytes
    erasure: Statement | None = None
    """The tombstone of what was here before, and of which this is what is left."""

    @property
    def told(self) -> str:
        """What is to be said of one that was erased from; empty where it is as it was sealed."""
        if self.erasure is None:
            return ""
        return f"examples were erased from it on {self.erasure.made[:10]} by {self.erasure.author}"


def trusted_erasures(statements: Iterable[Statement], trust: Trust) -> list[Statement]:
    """The erasures among some statements whose authors may erase: nobody else's leads away from an object."""
    found = []
    for one in statements:
        if isinstance(one.about, Erasure):
            with contextlib.suppress(Untrusted):
                trust.vouched(one)
                found.append(one)
    return found


def replaced(statements: Sequence[Statement], trust: Trust | None) -> dict[str, Erased]:
    """The objects that erasures replaced, by digest: those of people who may erase; of anybody where nobody says whom
    to trust, so that what was erased in a store is at least shown as that."""
    return erased(statements if trust is None else trusted_erasures(statements, trust))


class Objects:
    """The objects of a store. Counts what it has read; safe in several threads.

    Args:
        erasures: by people who may erase (`trusted_erasures`).
    """

    def __init__(self, store: Store, erasures: Iterable[Statement] = ()) -> None:
        self.store = store
        self.erasures = tuple(erasures)
        self.gone = erased(self.erasures)
        self.marked = {each for one in self.erasures if isinstance(one.about, Erasure) for each in one.about.snapshots}
        """Snapshots that erasures say they took something from."""
        self.seen: dict[str, int] = {}
        """Bytes of each different object that was hashed, by digest."""
        self._lock = threading.Lock()

    def erased_examples(self) -> set[str]:
        """The content ids that tombstones name."""
        return {each for one in self.erasures if isinstance(one.about, Erasure) for each in one.about.examples}

    def read(self, digest: str, kind: str, *, cut: bool = False) -> Content:
        """The content of an object, or of what stands for it.

        Args:
            cut: it is of a kind from which examples may be erased; of others nothing may be gone.

        Raises:
            Damaged: it is missing, not what its name says, too large; or it was to be erased and is still there.
        """
        if not cut and digest in self.gone:
            raise Damaged(
                "an erasure says that it is gone, and there is nothing in such an object to erase",
                where=self.store.name(self.store.path(digest, kind)),
            )
        last, erasure = current(digest, self.gone), None
        old = digest
        while old != last:
            path, erasure = self.store.path(old, kind), self.gone[old].by
            if path.exists():
                raise Damaged(
                    "it was to be erased, and is still (or again) there",
                    where=self.store.name(path),
                    remedy="run `gate erase` with the same ids again: it finishes what was begun",
                )
            old = self.gone[old].replacement
        path = self.store.path(last, kind)
        if path.is_file() and path.stat().st_size > LARGEST:
            raise Damaged("it is too large to be an object of gate's", where=self.store.name(path))
        content = self.store.read(last, kind)
        self.count(last, len(content))
        return Content(self.store.name(path), content, erasure)

    def count(self, digest: str, size: int) -> None:
        """Take note that an object was hashed."""
        with self._lock:
            self.seen[digest] = size
