"""What may be said, and how: one model per kind of statement.

Every statement is an in-toto v1 statement. Its predicate holds, under `gate`, who made it, when and with which
version, which statements it rests on (`parents`), the author's statement before it (`previous`), and what it is about
(`about`, one of the models below or of gate.provenance.model_statements). An admission carries the fields of in-toto's
`test-result` predicate beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate.provenance.about import About as About
from gate.provenance.about import Count as Count
from gate.provenance.about import Digest as Digest
from gate.provenance.about import Text, Time
from gate.provenance.envelope import STATEMENT_TYPE, Envelope
from gate.provenance.model_statements import Evaluation as Evaluation
from gate.provenance.model_statements import ModelRef as ModelRef
from gate.provenance.model_statements import OutputFile as OutputFile
from gate.provenance.model_statements import Promotion as Promotion
from gate.provenance.model_statements import Release as Release
from gate.provenance.model_statements import TaskScores as TaskScores
from gate.provenance.model_statements import TrainedOn as TrainedOn
from gate.provenance.model_statements import Training as Training
from gate.provenance.moments import now as now
from gate.provenance.moments import written as written
from gate.store.objects import Damaged
from gate.version import __version__


class SourceRecord(BaseModel):
    """A file that was judged, as it lay on disk."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    path: str
    sha256: Digest
    bytes: Count
    rows: Count


class Admission(About):
    """A dataset passed the gate and was sealed."""

    kind: ClassVar[str] = "admission"
    name: str
    """The dataset's, as `gate admit --name` gave it."""
    snapshot: Digest
    """The snapshot's id."""
    descriptor: Digest
    """The object (json) that says which objects hold the snapshot's rows: gate.snapshots.layout."""
    policy: Digest
    """The object (json) with every rule as it was applied; part of the snapshot's id."""
    findings: Digest
    """The object (parquet) with every finding, schema gate.admission.result.FINDINGS."""
    report: Digest | None = None
    """The object (html) with the report as it was shown."""
    verdict: Literal["pass"]
    reason: str
    sources: list[SourceRecord]
    rows: Count
    examples: Count
    malformed: Count
    admitted: Count
    excluded: Count
    """rows = examples + malformed; examples = admitted + excluded."""
    splits: dict[str, Count]
    """Admitted examples of each split."""
    rules: dict[str, str]
    """How each rule ended: `passed`, `warned`, `failed` (where it was waived), `skipped`."""
    waivers: list[Digest] = Field(default_factory=list)
    reviews: list[Digest] = Field(default_factory=list)
    licences: list[str] = Field(default_factory=list)
    """As the dataset cards beside the sources name them."""
    languages: list[str] = Field(default_factory=list)
    """The same."""

    def subjects(self) -> dict[str, str]:
        return {f"snapshot:{self.name}": self.snapshot}

    def parents(self) -> list[str]:
        return [*self.waivers, *self.reviews]


class Approval(About):
    """Somebody has looked at a statement and stands behind it."""

    kind: ClassVar[str] = "approval"
    statement: Digest
    note: str = ""

    def subjects(self) -> dict[str, str]:
        return {"statement": self.statement}

    def parents(self) -> list[str]:
        return [self.statement]


class Rejection(About):
    """Somebody has looked at a statement and says no: it is not approved, whoever else approves it."""

    kind: ClassVar[str] = "rejection"
    statement: Digest
    why: Text

    def subjects(self) -> dict[str, str]:
        return {"statement": self.statement}

    def parents(self) -> list[str]:
        return [self.statement]


class Waiver(About):
    """A dated, expiring exception to one rule, for the findings that it names and no other."""

    kind: ClassVar[str] = "waiver"
    rule: str
    findings: list[Digest] = Field(min_length=1)
    """Finding ids (gate.admission.finding_ids)."""
    until: Time
    why: Text

    def subjects(self) -> dict[str, str]:
        return {f"finding-{number}": digest for number, digest in enumerate(self.findings, start=1)}


class Revocation(About):
    """A snapshot (or a model) must not be used from now on."""

    kind: ClassVar[str] = "revocation"
    snapshot: Digest
    """The snapshot's id; of a model its digest."""
    why: Text
    what: Literal["snapshot", "model"] = "snapshot"

    def subjects(self) -> dict[str, str]:
        return {self.what: self.snapshot}


class Review(About):
    """What a person said of a sample of examples; the last statement on an example by a person counts."""

    kind: ClassVar[str] = "review"
    verdicts: Digest
    """The object (parquet): gate.snapshots.layout.VERDICTS."""
    sampled: Count
    good: Count
    bad: Count
    seed: int
    snapshot: Digest | None = None

    def subjects(self) -> dict[str, str]:
        return {"verdicts": self.verdicts}


class Erasure(About):
    """Content that was removed for good: the tombstone that closes the books."""

    kind: ClassVar[str] = "erasure"
    examples: list[Digest]
    """Content ids that are gone from every object."""
    objects: dict[Digest, Digest]
    """Objects that are gone, and what stands for each: the same without these examples (or the digest of nothing)."""
    snapshots: list[Digest]
    """Snapshots that had one of these examples: each is marked, and is to be admitted anew."""
    why: Text

    def subjects(self) -> dict[str, str]:
        return {f"example-{number}": digest for number, digest in enumerate(self.examples, start=1)}


class Ref(About):
    """What a name stands for from now on; lies in refs/, not among the statements."""

    kind: ClassVar[str] = "ref"
    name: str
    number: Annotated[int, Field(ge=1)]
    snapshot: Digest
    statement: Digest
    """The admission."""

    def subjects(self) -> dict[str, str]:
        return {f"ref:{self.name}": self.snapshot}

    def parents(self) -> list[str]:
        return [self.statement]


KINDS: dict[str, type[About]] = {
    each.kind: each
    for each in (
        Admission,
        Approval,
        Rejection,
        Waiver,
        Revocation,
        Review,
        Erasure,
        Training,
        Release,
        Evaluation,
        Promotion,
        Ref,
        ModelRef,
    )
}
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"


def predicate_type(kind: str) -> str:
    """The type URI of a kind's predicate."""
    return TEST_RESULT if kind == Admission.kind else f"urn:llm-gate:{kind}:v1"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it was read."""

    digest: str
    """Of its envelope: by it others refer to it."""
    made: str
    """UTC, RFC 3339 with microseconds."""
    author: str
    """The name that its author gave; whose key it is, the trust file says."""
    keyid: str
    parents: tuple[str, ...]
    previous: str | None
    version: str
    about: About
    envelope: Envelope

    @property
    def kind(self) -> str:
        return self.about.kind


def drafted(
    about: About, *, author: str, keyid: str, previous: str | None, made: str, extra_parents: Sequence[str] = ()
) -> dict[str, object]:
    """The in-toto statement that says it, to be signed (`gate.provenance.ledger.Ledger.say`)."""
    own: dict[str, object] = {
        "gate": {
            "about": about.model_dump(mode="json"),
            "author": {"keyid": keyid, "name": author},
            "kind": about.kind,
            "made": made,
            "parents": list(dict.fromkeys([*about.parents(), *extra_parents])),
            "previous": previous,
            "version": __version__,
        }
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in about.subjects().items()],
        "predicateType": predicate_type(about.kind),
        "predicate": own | (_test_result(about) if isinstance(about, Admission) else {}),
    }


def _test_result(admission: Admission) -> dict[str, object]:
    ended = admission.rules
    return {
        "result": "WARNED" if "warned" in ended.values() else "PASSED",
        "configuration": [{"name": "policy", "digest": {"sha256": admission.policy}}],
        "passedTests": sorted(rule for rule, status in ended.items() if status == "passed"),
        "warnedTests": sorted(rule for rule, status in ended.items() if status == "warned"),
        "failedTests": sorted(rule for rule, status in ended.items() if status == "failed"),
    }


def read(envelope: Envelope, name: str) -> Statement:
    """What an envelope says. Every field of the in-toto statement has to follow from what gate reads of it.

    Raises:
        Damaged: it says something else than a statement of gate's.
    """
    try:
        said = envelope.statement["predicate"]["gate"]  # type: ignore[index]
        about = KINDS[said["kind"]].model_validate(said["about"])
        own = _Said.model_validate(said)
        again = drafted(
            about,
            author=own.author.name,
            keyid=own.author.keyid,
            previous=own.previous,
            made=own.made,
            extra_parents=own.parents,
        )
        predicate = cast("dict[str, dict[str, object]]", again["predicate"])["gate"]
        predicate["version"] = own.version
        # As it was said: a field that came with a later gate is not there, and stands for its default.
        predicate["about"] = about.model_dump(mode="json", exclude_unset=True)
        if again != envelope.statement or own.author.keyid != envelope.keyid:
            raise ValueError("its parts do not agree with one another")
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = "a field is missing or wrong" if isinstance(error, ValidationError) else error
        raise Damaged(f"not a statement of gate's ({reason})", where=name) from None
    return Statement(
        envelope.digest,
        own.made,
        own.author.name,
        own.author.keyid,
        tuple(own.parents),
        own.previous,
        own.version,
        about,
        envelope,
    )


class _Author(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    keyid: Digest
    name: Text


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    about: Mapping[str, object]
    author: _Author
    kind: str
    made: Time
    parents: list[Digest]
    previous: Digest | None
    version: str
