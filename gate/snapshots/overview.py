"""Everything that is known of a snapshot beside its rows: what its admission says, what was left out and by which rule,
and what people said of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import orjson
import polars as pl

from gate.admission.result import FINDINGS
from gate.errors import GateError
from gate.provenance.ledger import Ledger
from gate.provenance.standing import Standing, standing
from gate.provenance.statements import (
    Admission,
    Approval,
    Erasure,
    Ref,
    Rejection,
    Review,
    Revocation,
    Statement,
    Waiver,
    now,
)
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.layout import EXCLUDED
from gate.snapshots.listing import admission_of
from gate.snapshots.naming import find_snapshot
from gate.snapshots.parquet import from_parquet
from gate.snapshots.reach import current, read_descriptor
from gate.snapshots.sealed_objects import replaced
from gate.store.objects import Damaged, Store


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A rule as it was applied."""

    id: str
    check: str
    severity: str
    kinds: tuple[str, ...]
    ended: str | None
    """`passed`, `warned`, `failed` (where it was waived), `skipped`."""
    digest: str
    """Of all that the policy document says of it."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said of it."""

    statement: str
    kind: str
    by: str
    at: str
    said: str
    """A note, a reason, or counts; empty where there is none."""
    until: str | None = None
    """Of a waiver."""
    over: bool = False
    """Of a waiver: whether it has expired."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that is known of a snapshot beside its rows."""

    snapshot: str
    admission: Statement
    names: tuple[str, ...]
    """`NAME@NUMBER` for each ref."""
    standing: Standing | None
    """None: nobody said whom to trust, and words are what statements claim."""
    exclusions: dict[str, int]
    """Examples that each rule left out, the most first."""
    findings: dict[str, int]
    """Findings of each rule, the most first."""
    rules: tuple[PolicyRule, ...]
    words: tuple[Word, ...]
    """The oldest first."""

    @property
    def about(self) -> Admission:
        """What the admission says."""
        return admission_of(self.admission)


def shown(ledger: Ledger, what: str, trust: Trust | None = None) -> Shown:
    """Everything that is known of a snapshot beside its rows.

    Raises:
        UsageError: there is no such snapshot, or more than one.
        Untrusted: nobody who is trusted has admitted it.
        Damaged: a statement or object is not what it should be.
    """
    snapshot = find_snapshot(ledger, what, trust)
    every = ledger.all()
    stands = None if trust is None else standing(ledger, trust, snapshot)
    admission = stands.admission if stands is not None else _newest_admission(every, snapshot)
    about = admission_of(admission)
    return Shown(
        snapshot=snapshot,
        admission=admission,
        names=_names(ledger, snapshot),
        standing=stands,
        exclusions=exclusions(ledger, admission, trust),
        findings=_findings(ledger, admission, trust),
        rules=policy_rules(ledger.store, about),
        words=tuple(_words(every, admission, trust, stands)),
    )


def _newest_admission(every: Iterable[Statement], snapshot: str) -> Statement:
    return [one for one in every if isinstance(one.about, Admission) and one.about.snapshot == snapshot][-1]


def _names(ledger: Ledger, snapshot: str) -> tuple[str, ...]:
    found = []
    for name, numbers in ledger.store.refs().items():
        for number in numbers:
            try:
                about = ledger.ref(name, number).about
            except GateError:  # `ls` says what is wrong with it
                continue
            if isinstance(about, Ref) and about.snapshot == snapshot:
                found.append(f"{name}@{number}")
    return tuple(found)


def exclusions(ledger: Ledger, admission: Statement, trust: Trust | None = None) -> dict[str, int]:
    """Examples that each rule left out of a snapshot, the most first.

    Raises:
        Damaged: the object with them is not what its name says.
    """
    about = admission_of(admission)
    if not about.excluded:
        return {}
    gone = replaced(ledger.all(), trust)
    descriptor = read_descriptor(ledger.store, current(about.descriptor, gone))
    frame = _frame(ledger.store, current(descriptor.excluded, gone), EXCLUDED)
    return _counted(frame.select(pl.col("rules").explode(empty_as_null=False))["rules"])


def _findings(ledger: Ledger, admission: Statement, trust: Trust | None) -> dict[str, int]:
    digest = current(admission_of(admission).findings, replaced(ledger.all(), trust))
    return _counted(_frame(ledger.store, digest, FINDINGS)["rule"])


def _counted(values: pl.Series) -> dict[str, int]:
    counts = values.drop_nulls().value_counts().iter_rows()
    return dict(sorted(counts, key=lambda pair: (-pair[1], pair[0])))


def _frame(store: Store, digest: str, schema: pl.Schema) -> pl.DataFrame:
    return from_parquet(store.read(digest, "parquet"), schema, store.name(store.path(digest, "parquet")))


def policy_rules(store: Store, about: Admission) -> tuple[PolicyRule, ...]:
    """The rules by which a snapshot was admitted.

    Raises:
        Damaged: the policy document is not what its name says.
    """
    try:
        document = orjson.loads(store.read(about.policy, "json"))
        rules = [_rule(each, about) for each in document["rules"]]
    except (ValueError, KeyError, TypeError):
        where = store.name(store.path(about.policy, "json"))
        raise Damaged("it is not the policy of a snapshot", where=where) from None
    return tuple(sorted(rules, key=lambda one: (one.id, one.kinds)))


def _rule(said: dict[str, object], about: Admission) -> PolicyRule:
    digest = hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
    name, kinds = str(said["id"]), said["kinds"]
    if not isinstance(kinds, list):
        raise TypeError
    return PolicyRule(
        name, str(said["check"]), str(said["severity"]), tuple(map(str, kinds)), about.rules.get(name), digest
    )


def _words(
    every: Iterable[Statement], admission: Statement, trust: Trust | None, stands: Standing | None
) -> Iterable[Word]:
    """What was said of it; only what counts, where somebody said whom to trust."""
    about = admission_of(admission)
    counting: set[str] = set()
    if stands is not None:
        said = (*stands.approvals, *stands.rejections, *stands.revocations, *stands.waivers, *stands.erasures)
        counting = {one.digest for one in said}
    for one in every:
        of = one.about
        ours = (
            one.digest in (*about.waivers, *about.reviews)
            or (isinstance(of, Approval | Rejection) and of.statement == admission.digest)
            or (isinstance(of, Revocation | Review) and of.snapshot == about.snapshot)
            or (isinstance(of, Erasure) and about.snapshot in of.snapshots)
        )
        if ours and (trust is None or one.digest in counting or (isinstance(of, Review) and _vouched(trust, one))):
            yield _word(one)


def _vouched(trust: Trust, one: Statement) -> bool:
    try:
        trust.vouched(one)
    except Untrusted:
        return False
    return True


def _word(one: Statement) -> Word:
    about = one.about
    said, until = getattr(about, "why", "") or getattr(about, "note", ""), None
    if isinstance(about, Waiver):
        said = f"{about.rule}, {len(about.findings):,} findings: {about.why}"
        until = about.until
    if isinstance(about, Review):
        said = f"{about.sampled:,} sampled: {about.good:,} good, {about.bad:,} bad"
    return Word(one.digest, one.kind, one.author, one.made, said, until, until is not None and until < now())
