"""What an export says of itself beside its rows: the list of its files, and the proof that goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from gate.checks.card_front_matter import CardText
from gate.data.frame import Kind, Split
from gate.provenance.statements import Admission
from gate.snapshots.open import Snapshot
from gate.version import __version__

SCHEMA = "gate.export/1"


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of an export."""

    path: str
    """Relative to the export, "/" between parts; never a name from the data."""
    sha256: str
    bytes: int
    rows: int = 0
    split: Split | None = None
    """None: it holds no rows, as a card."""
    kind: Kind | None = None
    """Where the files of an export hold a kind of example each."""
    columns: tuple[str, ...] = ()
    """Of a Parquet file; those within messages as `messages.role`."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the snapshot beside its rows."""

    snapshot: Snapshot
    exclusions: dict[str, int]
    """Examples that each rule left out, the most first; an example may be left out by several."""
    rules: int
    """How many the policy has."""
    trust: str
    """SHA-256 (hex) of the trust file by which the snapshot is approved."""
    number: int | None = None
    """Under which its name first stood for it."""
    card: CardText | None = None
    """The front matter of a dataset card that was given for the export."""

    @property
    def admission(self) -> Admission:
        """What the admission says."""
        return self.snapshot.admission


def proof(facts: Facts, form: str, files: Sequence[ExportedFile]) -> bytes:
    """`gate-export.json`: which snapshot the files hold, by whose word, and what their bytes are.

    With the columns `id`, `record_id` and `split` of an export as Parquet, the digest of the policy and the major
    version the id of the snapshot can be computed anew (`gate.snapshots.manifest`).
    """
    standing, admission = facts.snapshot.standing, facts.admission
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "as": form,
        "name": admission.name,
        "snapshot": facts.snapshot.id,
        "policy": admission.policy,
        "major": facts.snapshot.descriptor.major,
        "masked": False,
        "statements": {
            "admission": standing.admission.digest,
            "approvals": [one.digest for one in standing.approvals],
            "waivers": [one.digest for one in standing.waivers],
            "reviews": list(admission.reviews),
        },
        "trust": facts.trust,
        "rows": sum(file.rows for file in files),
        "files": [
            {"path": file.path, "sha256": file.sha256, "bytes": file.bytes}
            | ({} if file.split is None else {"rows": file.rows, "split": file.split})
            | ({} if file.kind is None else {"kind": file.kind})
            for file in files
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
