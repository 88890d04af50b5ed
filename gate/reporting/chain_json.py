"""What `gate verify` found, as JSON that programs read; its form changes only with `schema`."""

from __future__ import annotations

import orjson

from gate.provenance.standing import Standing
from gate.snapshots.chain import Link
from gate.snapshots.verification import Verification

SCHEMA = 1


def chain_json(found: Verification, trust: str, seconds: float) -> bytes:
    """The document.

    Args:
        trust: where the trust came from.
        seconds: how long it took.
    """
    first = found.broken[0] if found.broken else None
    document = {
        "schema": SCHEMA,
        "verdict": found.verdict,
        "exit_code": found.exit_code,
        "first_broken": None if first is None else _link(first, deep=False),
        "broken": [_link(link, deep=False) for link in found.broken],
        "snapshots": [_standing(stands) for stands in found.standings],
        "checked": {
            "signed_files": found.statements,
            "objects": found.objects,
            "bytes": found.bytes,
            "seconds": round(seconds, 3),
        },
        "heads": [
            {"author": head.author, "keyid": head.keyid, "digest": head.digest, "made": head.made}
            for head in found.heads
        ],
        "trust": trust,
        "chain": _link(found.chain),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _link(link: Link, *, deep: bool = True) -> dict[str, object]:
    own: dict[str, object] = {
        "what": link.what,
        "name": link.name,
        "state": link.state,
        "said": link.said,
        "remedy": link.remedy,
    }
    return own | ({"rests_on": [_link(child) for child in link.children]} if deep else {})


def _standing(stands: Standing) -> dict[str, object]:
    return {
        "snapshot": stands.snapshot,
        "status": stands.status,
        "reasons": list(stands.reasons),
        "admission": stands.admission.digest,
        "ignored": list(stands.ignored),
    }
