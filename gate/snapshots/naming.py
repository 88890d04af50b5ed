"""What a person calls a snapshot, and which one is meant: the same in every command.

A name (what it stands for now), `NAME@NUMBER` (what it stood for), or the first digits of the snapshot's id or of its
admission's digest.
"""

from __future__ import annotations

import os
import re
from itertools import takewhile

from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, ModelRef, Ref, Statement
from gate.provenance.trust import Trust
from gate.store.objects import Damaged, Store

SHORTEST = 8
"""Digits by which something may be named: two of a million digests share as many with a probability of 1e-4 each."""

_NUMBERED = re.compile(r"(?P<name>.+)@(?P<number>[0-9]{1,6})")


def digits_of(what: str) -> str | None:
    """The digits of a digest that somebody wrote; None where it is none, or too short."""
    digits = what.lower().removeprefix("sha256:")
    return digits if re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", digits) else None


def numbered(store: Store, what: str) -> tuple[str, int] | None:
    """The name and the number of a ref that is meant, as `NAME` (its last) or `NAME@NUMBER`; None where no name is.

    Raises:
        UsageError: the name has no such number.
    """
    names, written = store.refs(), _NUMBERED.fullmatch(what)
    if what in names:
        return what, max(names[what])
    if not written or written["name"] not in names:
        return None
    name, number = written["name"], int(written["number"])
    if number not in names[name]:
        known = f"1 to {max(names[name])}" if len(names[name]) > 1 else str(names[name][0])
        raise UsageError(f"{name} has no number {number}", where=os.fspath(store.root), remedy=f"it has {known}")
    return name, number


def find_ref(ledger: Ledger, what: str, trust: Trust | None = None) -> Statement | None:
    """The ref (`about` is a `Ref`) of a name or of `NAME@NUMBER`; None where no name is meant.

    Args:
        trust: by whom the name has to have been given; anybody, where nobody said whom to trust.

    Raises:
        UsageError: the name has no such number.
        Untrusted: it was not given by a trusted person.
        Damaged: the ref is none.
    """
    meant = numbered(ledger.store, what)
    if meant is None:
        return None
    ref = ledger.ref(*meant)
    if isinstance(ref.about, ModelRef):
        raise UsageError(
            f"{what[:100]} stands for a model, and not for a dataset",
            where=os.fspath(ledger.store.root),
            remedy=f"gate models show {meant[0]} tells of it",
        )
    if trust is not None:
        trust.vouched(ref)
    return ref


def find_snapshot(ledger: Ledger, what: str, trust: Trust | None = None) -> str:
    """The id of the snapshot that is meant.

    Raises:
        UsageError: there is none, or more than one.
        Untrusted: the name was not given by a person of `trust`.
        Damaged: a ref or statement in the store is none.
    """
    if (ref := find_ref(ledger, what, trust)) is not None:
        assert isinstance(ref.about, Ref)
        return ref.about.snapshot
    return _about(_by_digits(ledger, what)).snapshot


def find_admission(ledger: Ledger, what: str, trust: Trust | None = None) -> Statement:
    """The admission that is meant; of a snapshot that was admitted several times, by its id, the youngest.

    Raises:
        UsageError: there is none, or more than one.
        Untrusted: the name was not given by a person of `trust`.
        Damaged: a ref or statement in the store is none, or a ref points at the admission of another snapshot.
    """
    if (ref := find_ref(ledger, what, trust)) is None:
        return _by_digits(ledger, what)
    assert isinstance(ref.about, Ref)
    found = ledger.statement(ref.about.statement)
    if not isinstance(found.about, Admission) or found.about.snapshot != ref.about.snapshot:
        raise Damaged("it points at the admission of another snapshot", where=f"refs/{ref.about.name}")
    return found


def nothing_called(what: str, store: Store) -> UsageError:
    """That there is nothing of that name."""
    names = ", ".join(sorted(store.refs())) or "none"
    return UsageError(
        f"there is no snapshot {what[:100]!r}",
        where=os.fspath(store.root),
        remedy=f"names: {names}; an id takes at least {SHORTEST} digits (`gate snapshots ls`)",
    )


def several_called(what: str, found: list[str], store: Store) -> UsageError:
    """That more than one thing is called so."""
    alike = takewhile(lambda digits: len(set(digits)) == 1, zip(*found, strict=False))
    digits = len(list(alike)) + 4
    listed = ", ".join(each[:digits] for each in found[:4])
    return UsageError(
        f"{len(found)} snapshots and statements begin with {what[:100]}: {listed}",
        where=os.fspath(store.root),
        remedy="write more digits of the one that is meant",
    )


def _by_digits(ledger: Ledger, what: str) -> Statement:
    digits = digits_of(what)
    if digits is None:
        raise nothing_called(what, ledger.store)
    meant: dict[str, Statement] = {}
    for one in ledger.all():  # the oldest first, so that the youngest admission of a snapshot stays
        if isinstance(one.about, Admission) and one.about.snapshot.startswith(digits):
            meant[one.about.snapshot] = one
        if one.digest.startswith(digits):
            meant[one.digest] = one
    if not meant:
        raise nothing_called(what, ledger.store)
    if len(meant) > 1:
        raise several_called(what, sorted(meant), ledger.store)
    found = next(iter(meant.values()))
    if not isinstance(found.about, Admission):
        article = "an" if found.kind[0] in "aeiou" else "a"
        raise UsageError(
            f"{what[:100]} is not the admission of a snapshot but {article} {found.kind} by {found.author}",
            where=os.fspath(ledger.store.root),
            remedy="name the snapshot (`gate snapshots ls`)",
        )
    return found


def _about(admission: Statement) -> Admission:
    assert isinstance(admission.about, Admission)
    return admission.about
