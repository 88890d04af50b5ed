"""`gate snapshots`: what lies in a store, one snapshot, two of them, and a copy for tools that do not know gate."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gate.checks.card_front_matter import LARGEST, BadFrontMatter, CardText, front_matter
from gate.data.frame import Split
from gate.errors import InputError, UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Ref
from gate.provenance.trust import Trust
from gate.snapshots import difference as _difference
from gate.snapshots import listing, overview
from gate.snapshots.export import FORMS, Exported, Form, export
from gate.snapshots.export_facts import Facts
from gate.snapshots.naming import find_snapshot
from gate.snapshots.open import Snapshot, opened
from gate.store.objects import Store

OnStage = Callable[[str, int, int], None]


def listed(store: Store, trust: Trust | None = None) -> list[listing.Entry]:
    """Every name of a store with the snapshots that it stood for, and how they stand where trust is given.

    Raises:
        Damaged: a statement in the store is none.
    """
    return listing.listed(Ledger(store), trust)


def shown(what: str, *, store: Store, trust: Trust | None = None) -> overview.Shown:
    """Everything that is known of a snapshot beside its rows.

    Args:
        what: a name, NAME@NUMBER, an id or its first digits.

    Raises:
        UsageError: there is no such snapshot, or more than one.
        Untrusted: nobody who is trusted has admitted it.
        Damaged: a statement or object is not what it should be.
    """
    return overview.shown(Ledger(store), what, trust)


def diff_snapshots(a: str, b: str, *, store: Store, trust: Trust | None = None) -> _difference.SnapshotDifference:
    """How snapshot B differs from A; they need not be approved.

    Raises:
        UsageError: there is no such snapshot.
        Untrusted: nobody who is trusted has admitted it.
        Damaged: an object is not what was admitted.
    """
    return _difference.difference(Ledger(store), a, b, trust)


def export_snapshot(
    what: str,
    out: Path,
    form: Form,
    *,
    store: Store,
    trust: Trust,
    split: Split | None = None,
    card: Path | None = None,
    force: bool = False,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Exported:
    """Write an approved snapshot for tools that do not know gate. Texts are written exactly: nothing is masked.

    Args:
        what: a name, NAME@NUMBER, an id or its first digits.
        out: a folder that is empty or not there, or a file where there is one split.
        form: `original`, `chat`, `parquet` or `datasets`.
        split: only this one.
        card: the source's dataset card, whose licence and languages go into that of a `datasets` folder.
        force: take the place of an older export.
        on_stage: told how far the work is.

    Raises:
        UsageError: no such snapshot, form or split; a destination that is not free.
        NotApproved, Untrusted: it may not be used.
        Damaged: something in it is not what was admitted.
        ExportError: the disk is full, or a file system error: nothing is left there.
    """
    if form not in FORMS:
        raise UsageError(f"no form is called {form!r}", remedy=f"it is one of {', '.join(FORMS)}")
    if card is not None and form != "datasets":
        raise UsageError("a card goes with a datasets folder only", remedy="leave --card out, or write --as datasets")
    said = None if card is None else _card(card)
    ledger = Ledger(store)
    snapshot = opened(
        ledger, trust, find_snapshot(ledger, what, trust), lambda done, total: on_stage("verifying", done, total)
    )
    rules = overview.policy_rules(store, snapshot.admission)
    facts = Facts(
        snapshot=snapshot,
        exclusions=overview.exclusions(ledger, snapshot.statement, trust),
        rules=len(rules),
        trust=trust.digest,
        number=_number(ledger, snapshot),
        card=said,
    )
    return export(
        facts,
        form,
        out,
        split=split,
        force=force,
        on_rows=lambda done, total: on_stage("exporting", done, total),
    )


def _number(ledger: Ledger, snapshot: Snapshot) -> int | None:
    """The first number under which its name stood for it."""
    name = snapshot.admission.name
    for number in ledger.store.refs().get(name, []):
        about = ledger.ref(name, number).about
        if isinstance(about, Ref) and about.snapshot == snapshot.id:
            return number
    return None


def _card(path: Path) -> CardText:
    try:
        with path.open("rb") as file:
            text = file.read(4 * LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise InputError(
            f"the card cannot be read ({(error.strerror or str(error)).lower()})",
            where=os.fspath(path),
            remedy="name the README.md of the source's folder",
        ) from None
    try:
        said = front_matter(text)
    except BadFrontMatter as error:
        raise InputError(f"the front matter of the card cannot be read: {error}", where=os.fspath(path)) from None
    if said is None:
        raise InputError(
            "the card has no front matter",
            where=os.fspath(path),
            remedy="write `license:` and `language:` between two lines of --- at its beginning, or leave --card out",
        )
    return said
