"""`gate report`: the page that was sealed with a snapshot, byte for byte, or a page of how the snapshot stands now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gate.errors import GateError, UsageError
from gate.folders import Folders
from gate.provenance.ledger import Ledger
from gate.provenance.moments import minute_of
from gate.provenance.standing import standing
from gate.provenance.statements import Admission, Ref, Statement, now
from gate.provenance.trust import Trust
from gate.reporting.status_page import to_status_html
from gate.snapshots.naming import find_admission
from gate.snapshots.sealed_objects import Objects, trusted_erasures
from gate.store.objects import Damaged, Store
from gate.verbs.surroundings import open_store, open_trust

Path_ = str | os.PathLike[str]

LARGEST = 64 << 20
"""Bytes of a page: what gate makes is below 2 MB; a guard against the wrong file."""


class NoReport(GateError):
    """There is no page to give out, though the admission holds."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Report:
    """A page."""

    content: bytes
    admission: Statement
    """What it is about."""


def sealed_report(
    what: str,
    *,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
) -> Report:
    """The report of an admission exactly as it was sealed: what a reviewer saw.

    Args:
        what: a dataset's name (what it stands for now), or eight or more digits of an admission's digest or of a
            snapshot's id.
        store: its folder; else `GATE_STORE`, else the nearest `.gate` upwards of the working directory.
        trust: the trust file; else that of a git revision (`trust_revision`, as `REV:path`), else `GATE_TRUST`.

    Raises:
        UsageError: nothing of that name; nobody said whom to trust.
        Untrusted: it was not admitted by a trusted owner.
        NoReport: it was admitted without one, or the page was erased.
        Damaged: the page, or a statement, is not what its name says.
    """
    ledger, believed = _opened(store, trust, trust_revision)
    admission = find_admission(ledger, what, believed)
    believed.vouched(admission)
    digest = _about(admission).report
    where = f"admission {admission.digest[:12]}"
    if digest is None:
        raise NoReport(
            "it was admitted without a report",
            where=where,
            remedy="`gate report … --status` shows how it stands; `gate snapshots show` what is in it",
        )
    path = ledger.store.path(digest, "html")
    if path.is_file() and path.stat().st_size > LARGEST:
        raise Damaged("too large to be a report", where=ledger.store.name(path))
    page = Objects(ledger.store, trusted_erasures(ledger.all(), believed)).read(digest, "html", cut=True)
    if page.erasure is not None:
        by, why = page.erasure, getattr(page.erasure.about, "why", "")
        raise NoReport(f"the report was erased by {by.author} on {minute_of(by.made)}: {why}", where=where)
    return Report(page.content, admission)


def status_report(
    what: str,
    *,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
) -> Report:
    """How a snapshot stands now, as a page; arguments as for `sealed_report`.

    Raises:
        UsageError: nothing of that name; nobody said whom to trust.
        Untrusted: nobody who is trusted has admitted it.
        Damaged: a statement is not what its name says.
    """
    ledger, believed = _opened(store, trust, trust_revision)
    snapshot = _about(find_admission(ledger, what, believed)).snapshot
    at, stands = now(), standing(ledger, believed, snapshot)
    reviews = [ledger.statement(digest) for digest in _about(stands.admission).reviews]
    page = to_status_html(
        stands, believed, at, names=_names(ledger, believed, snapshot), reviews=reviews, folders=Folders(Path())
    )
    return Report(page.encode(), stands.admission)


def _opened(store: Store | Path_ | None, trust: Trust | Path_ | None, revision: str | None) -> tuple[Ledger, Trust]:
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), revision)
    return Ledger(store if isinstance(store, Store) else open_store(None if store is None else Path(store))), believed


def _about(admission: Statement) -> Admission:
    if not isinstance(admission.about, Admission):
        raise UsageError(f"statement {admission.digest[:12]} is not an admission")
    return admission.about


def _counts(trust: Trust, statement: Statement) -> bool:
    try:
        trust.vouched(statement)
    except GateError:
        return False
    return True


def _names(ledger: Ledger, trust: Trust, snapshot: str) -> list[str]:
    """`NAME@NUMBER` for each ref by a trusted person that points at it."""
    found = []
    for name, numbers in ledger.store.refs().items():
        for number in numbers:
            try:
                ref = ledger.ref(name, number)
            except Damaged:  # of some other name, maybe; `gate verify` says what is wrong with it
                continue
            if isinstance(ref.about, Ref) and ref.about.snapshot == snapshot and _counts(trust, ref):
                found.append(f"{name}@{number}")
    return found
