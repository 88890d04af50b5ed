"""What tests about people tell stories with: an admission, moments, trust files in memory, forged statements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gate.provenance.envelope import canonical, opened, sign
from gate.provenance.keys import PrivateKey
from gate.provenance.ledger import Ledger
from gate.provenance.statements import About, Admission, SourceRecord, Statement, drafted, read
from gate.provenance.trust import Demand, Role, Trust, TrustedKey
from gate.store.objects import Store

SNAPSHOT = "5a" * 32
PEOPLE: Mapping[str, tuple[Role, ...]] = {
    "Ana": ("owner",),
    "Bo": ("reviewer",),
    "Cy": ("reviewer",),
    "Oz": ("owner", "reviewer"),
    "Rel": ("release",),
}


def time(minute: int) -> str:
    """A moment of the story that a test tells."""
    return f"2026-11-21T10:{minute:02}:00.000000Z"


def trusting(*keys: TrustedKey, **approvals: Demand) -> Trust:
    return Trust("trust.yaml", "0" * 64, {key.keyid: key for key in keys}, approvals)


def trusted(key: PrivateKey, *roles: Role, **changes: object) -> TrustedKey:
    return replace(TrustedKey(key.name, key.keyid, key.public, roles), **changes)  # type: ignore[arg-type]


def admission(**changes: object) -> Admission:
    said: dict[str, object] = {
        "name": "support-desk",
        "snapshot": SNAPSHOT,
        "descriptor": "1" * 64,
        "policy": "2" * 64,
        "findings": "3" * 64,
        "verdict": "pass",
        "reason": "every rule passed",
        "sources": [SourceRecord(path="a.jsonl", sha256="4" * 64, bytes=10, rows=3)],
        "rows": 3,
        "examples": 3,
        "malformed": 0,
        "admitted": 3,
        "excluded": 0,
        "splits": {"train": 3},
        "rules": {"structure": "passed"},
    }
    return Admission(**(said | changes))  # type: ignore[arg-type]


def forged(
    ledger: Ledger,
    about: About,
    signer: PrivateKey,
    *,
    made: str,
    previous: str | None = None,
    author: str | None = None,
) -> Statement:
    """A statement as somebody makes it who does not use gate: no order is kept, and any name given."""
    draft = drafted(about, author=author or signer.name, keyid=signer.keyid, previous=previous, made=made)
    content = sign(draft, signer)
    digest = ledger.store.put_statement(content)
    return read(opened(content, digest), digest)


def sealed(store: Store, **changes: object) -> Admission:
    """An admission whose small objects are there: what a reviewer's machine has before any row."""
    policy, findings, report = store.put(b"{}", "json"), store.put(b"PAR1", "parquet"), store.put(b"<html>", "html")
    snapshot = str(changes.get("snapshot", SNAPSHOT))
    descriptor = {
        "format": 1,
        "snapshot": snapshot,
        "major": "0",
        "policy": policy,
        "shards": [],
        "excluded": "6" * 64,
        "malformed": "7" * 64,
    }
    put = store.put(canonical(descriptor), "json")
    return admission(**({"descriptor": put, "policy": policy, "findings": findings, "report": report} | changes))
