"""What lies in a store: every name with the snapshots that it stood for.

Only statements are read. Without a trust file this is what they claim; with one, how each snapshot stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate.errors import GateError, UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.standing import Status, standing
from gate.provenance.statements import Admission, ModelRef, Ref, Statement
from gate.provenance.trust import Trust, Untrusted


@dataclass(frozen=True, slots=True)
class Entry:
    """A snapshot under a name."""

    name: str
    number: int | None
    """None: it was admitted under this name, and the name never stood for it here."""
    current: bool
    """Whether the name stands for it now."""
    snapshot: str
    statement: str
    """The admission."""
    rows: int
    """Admitted examples."""
    splits: dict[str, int]
    by: str
    at: str
    status: Status | None = None
    """None: nobody said whom to trust."""
    reasons: tuple[str, ...] = ()
    problem: str | None = None
    """Why it cannot be believed, or read."""


def listed(ledger: Ledger, trust: Trust | None = None) -> list[Entry]:
    """Every ref of the store by name and number, then what was admitted and has no ref.

    A ref or admission that is damaged or not by a trusted person is listed with what is wrong with it.

    Raises:
        Damaged: a statement in the store is none.
    """
    every = {one.digest: one for one in ledger.all()}
    stands: dict[str, tuple[Status | None, tuple[str, ...], str | None]] = {}
    entries = [
        _of_ref(ledger, trust, every, name, number, number == max(numbers), stands)
        for name, numbers in ledger.store.refs().items()
        for number in numbers
        if not _of_models(ledger, name, number)
    ]
    referred = {entry.statement for entry in entries}
    for one in every.values():
        if isinstance(one.about, Admission) and one.digest not in referred:
            found = _standing(ledger, trust, one.about.snapshot, stands)
            entries.append(_entry(one, one.about.name, None, False, *found))
    return entries


def _of_models(ledger: Ledger, name: str, number: int) -> bool:
    """Whether a name stands for models (`gate models ls`); one that cannot be read is listed as damaged."""
    try:
        return isinstance(ledger.ref(name, number).about, ModelRef)
    except GateError:
        return False


def _of_ref(
    ledger: Ledger,
    trust: Trust | None,
    every: dict[str, Statement],
    name: str,
    number: int,
    newest: bool,
    stands: dict[str, tuple[Status | None, tuple[str, ...], str | None]],
) -> Entry:
    try:
        ref = ledger.ref(name, number)
        if trust is not None:
            trust.vouched(ref)
        assert isinstance(ref.about, Ref)
        admission = every.get(ref.about.statement)
        if admission is None or not isinstance(admission.about, Admission):
            raise UsageError("its admission is not in the store", remedy="`gate store pull` fetches what is missing")
        if admission.about.snapshot != ref.about.snapshot:
            raise Untrusted("it points at the admission of another snapshot")
    except GateError as error:
        return Entry(name, number, newest, "", "", 0, {}, "", "", problem=error.what)
    return _entry(admission, name, number, newest, *_standing(ledger, trust, ref.about.snapshot, stands))


def _standing(
    ledger: Ledger,
    trust: Trust | None,
    snapshot: str,
    known: dict[str, tuple[Status | None, tuple[str, ...], str | None]],
) -> tuple[Status | None, tuple[str, ...], str | None]:
    if trust is None:
        return None, (), None
    if snapshot not in known:
        try:
            stands = standing(ledger, trust, snapshot)
            known[snapshot] = stands.status, stands.reasons, None
        except GateError as error:
            known[snapshot] = None, (), error.what
    return known[snapshot]


def _entry(
    one: Statement,
    name: str,
    number: int | None,
    newest: bool,
    status: Status | None,
    reasons: tuple[str, ...],
    problem: str | None,
) -> Entry:
    about = admission_of(one)
    return Entry(
        name, number, newest, about.snapshot, one.digest, about.admitted, dict(about.splits), one.author, one.made,
        status, reasons, problem,
    )  # fmt: skip


def admission_of(one: Statement) -> Admission:
    """What an admission says."""
    assert isinstance(one.about, Admission)
    return one.about
