"""`gate admit`: a dataset is judged and, where it passes, sealed as a snapshot that a signed statement stands for.

Order of writing: objects, descriptor, statement, ref. Whatever kills the process in between leaves objects that nobody
points at, or an admission that no name stands for yet; the next run is right either way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

import polars as pl

from gate.admission.keys import check_key_of
from gate.admission.result import AdmissionResult, Status
from gate.data.frame import Kind, SourceFile
from gate.errors import GateError, InputError, UsageError
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.policy.snapshot_rules import load_snapshot_rules
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.standing import standing
from gate.provenance.statements import Admission, Erasure, ModelRef, Ref, SourceRecord, Statement, Waiver, now
from gate.provenance.trust import Trust
from gate.provenance.waivers import waivers_in_force
from gate.reporting.findings import masked_findings, masked_malformed
from gate.snapshots.admitted import Admitted
from gate.snapshots.card_terms import terms_of
from gate.snapshots.division import Division, divided
from gate.snapshots.exclusions import admits, blocked
from gate.snapshots.policy_document import policy_document
from gate.snapshots.seal import Contents, Sealed, seal
from gate.snapshots.sealed_objects import trusted_erasures
from gate.snapshots.verdicts import Reviews, reviews
from gate.store.objects import Store, StoreError, find_store, named
from gate.verbs.check import check
from gate.verbs.surroundings import open_trust

__all__ = ["Admitted", "NotAdmitted", "admit"]

Path_ = str | os.PathLike[str]
OnStage = Callable[[str, int, int], None]

_WORST: tuple[Status, ...] = ("errored", "failed", "warned", "passed", "skipped")


class NotAdmitted(GateError):
    """The dataset did not pass, or nothing of it is left: nothing was sealed."""

    def __init__(self, result: AdmissionResult, what: str, exit_code: int, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.result = result
        """What the check came to."""
        self.exit_code = exit_code


def admit(
    paths: Path_ | Sequence[Path_] = (),
    *,
    name: str,
    signer: Signer,
    trust: Trust | Path_ | None = None,
    store: Store | Path_ | None = None,
    policy: Path_ | None = None,
    fail_on: Literal["error", "warning"] = "error",
    report: bool = True,
    stdin: BinaryIO | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Admitted:
    """Judge a dataset and, where it passes, seal it as a snapshot.

    Args:
        paths: as for `gate.check`. Everything is judged afresh: nothing that an earlier run kept is used.
        name: the dataset's, which stands for this snapshot from now on.
        signer: whose admission it is: an owner by the trust file.
        trust: the trust file, or what it says; `GATE_TRUST` where it is not given.
        store: its folder, made where there is none; else `GATE_STORE`, else the nearest `.gate` upwards of the data.
        policy: a policy's name or file, instead of the one for each kind of example.
        fail_on: `warning` lets warnings fail too.
        report: seal the HTML report with the snapshot.
        on_stage: told how far the work is.

    Raises:
        NotAdmitted: the verdict is not `pass`, or every example is excluded; nothing was sealed.
        Untrusted: the signer is no owner.
        UsageError, InputError, PolicyError: as `gate.check`; no name, no trust file.
        StoreError: the store cannot be written to.
    """
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust))
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    place = store.root if isinstance(store, Store) else _place(store, given)
    _may(signer, believed, name, place)
    load_snapshot_rules(Folders(find_settings(_start(given)).folder))  # what is wrong with them is said now
    spoken = _spoken(place, believed, name)
    result = check(
        given,
        policy=policy,
        fail_on=fail_on,
        cache=False,
        reviews=spoken.reviews.frame,
        waivers=spoken.waivers,
        keep_source=True,
        stdin=stdin,
        on_stage=on_stage,
    )
    if result.verdict != "pass":
        raise NotAdmitted(result, f"nothing was sealed: {result.reason}", result.exit_code)
    if over := [each for each in result.waivers if isinstance(each.about, Waiver) and each.about.until <= now()]:
        raise NotAdmitted(
            result,
            f"nothing was sealed: waiver {over[0].digest[:12]} was over before the data had been judged",
            1,
            "mend what it covers, or have it waived anew",
        )
    findings = masked_findings(result.findings)
    corpus, out = result.dataset.corpus(), blocked(findings)
    admitted = admits(corpus.rows, out)
    if not admitted.any():
        raise NotAdmitted(
            result,
            "nothing was sealed: no example is left to admit",
            1,
            "every example is excluded by an error that its rule tolerates; mend the data (`gate fix`)",
        )
    _none_erased(result, corpus.rows, spoken)
    on_stage("dividing", 0, 1)
    division = divided(result, corpus, admitted)
    on_stage("dividing", 1, 1)
    contents = Contents(
        corpus=corpus,
        splits=division.splits,
        blocked=out,
        findings=findings,
        malformed=masked_malformed(result.dataset.malformed),
        policy=_policy(result, corpus.rows, admitted, division),
        report=_report(result, division, admitted, name, signer, believed) if report else None,
    )
    kept = Store.create(place)
    sealed = seal(kept, contents, lambda done, total: on_stage("sealing", done, total))
    ledger = Ledger(kept)
    statement = ledger.say(_admission(name, result, sealed, spoken.reviews.about(corpus.rows["id"])), signer)
    ref = ledger.refer(name, sealed.snapshot, statement.digest, signer)
    assert isinstance(ref.about, Ref)
    stands = standing(ledger, believed, sealed.snapshot)
    return Admitted(
        sealed.snapshot, statement, ref.about.number, stands, result, sealed, division, spoken.before, place
    )


def _place(store: Path_ | None, paths: Sequence[Path_]) -> Path:
    if store is not None:
        return Path(store)
    return find_store(_start(paths))


def _start(paths: Sequence[Path_]) -> Path:
    """Where settings and the store are looked for from, as `gate check` does: the first path, or here."""
    first = Path(paths[0]) if paths and os.fspath(paths[0]) != "-" else Path()
    return first if first.exists() else Path()


def _may(signer: Signer, trust: Trust, name: str, place: Path) -> None:
    """Say what would be in the way once everything has been judged: that can take long."""
    trust.signer(signer.keyid, signer.name, "admission", now())
    named(name)
    if (place / "format.json").exists():
        Store(place)  # of a format that this gate knows
    existing = next(each for each in (place, *place.absolute().parents) if each.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise StoreError(
            "it cannot be written to",
            where=os.fspath(existing),
            remedy="name another store with --store, or GATE_STORE",
        )


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What trusted people have said before, and the judgement takes into account."""

    waivers: list[Statement]
    reviews: Reviews
    erased: frozenset[str] = frozenset()
    """Content ids of examples that somebody asked to be forgotten."""
    before: str | None = None
    """The snapshot that the name stands for."""


def _spoken(place: Path, trust: Trust, name: str) -> _Spoken:
    if not (place / "format.json").exists():
        return _Spoken([], Reviews(()))
    ledger, moment = Ledger(Store(place)), now()
    erasures = [one.about for one in trusted_erasures(ledger.all(), trust) if isinstance(one.about, Erasure)]
    return _Spoken(
        waivers_in_force(ledger, trust, moment),
        reviews(ledger, trust, at=moment),
        frozenset(example for about in erasures for example in about.examples),
        _stood_for(ledger, name),
    )


def _none_erased(result: AdmissionResult, rows: pl.DataFrame, spoken: _Spoken) -> None:
    """What was erased does not come back."""
    back = rows.filter(pl.col("id").is_in(list(spoken.erased)))
    if back.height:
        places = ", ".join(f"{file}:{row}" for file, row in back.select("file", "row").head(5).iter_rows())
        more = f" and {back.height - 5:,} more" if back.height > 5 else ""
        raise NotAdmitted(
            result,
            f"nothing was sealed: {back.height:,} of the examples were erased from this store, and may not come back",
            1,
            f"take them out of the data: {places}{more}",
        )


def _policy(result: AdmissionResult, rows: pl.DataFrame, admitted: pl.Series, division: Division) -> bytes:
    """The policy document, once it is sure that it is what the data was judged by."""
    rules = [bound for bound, _ in result.applied]
    kinds = sorted(rows["kind"].filter(admitted).cast(pl.String).unique())
    document = policy_document(rules, cast(list[Kind], kinds), result.folders, division.by)
    for bound, demand in result.applied:
        if check_key_of(bound.check, bound.params, result.folders) != demand.key:
            raise InputError(
                f"a file that the rule {bound.rule.id} reads changed while the data was judged",
                remedy="run again when nothing writes to it any more",
            )
    return document


def _report(
    result: AdmissionResult, division: Division, admitted: pl.Series, name: str, signer: Signer, trust: Trust
) -> Callable[[str, pl.DataFrame], bytes]:
    """What makes the page once the snapshot's id is known."""
    from gate.reporting.html import to_html
    from gate.reporting.sealing import Sealing

    rows = result.dataset.corpus().rows.select("kind").with_columns(split=division.splits).filter(admitted)

    def page(snapshot: str, excluded: pl.DataFrame) -> bytes:
        sealing = Sealing(
            name=name,
            snapshot=snapshot,
            by=signer.name,
            keyid=signer.keyid,
            at=now(),
            demand=trust.demand("snapshot"),
            excluded=excluded,
            kinds=rows,
            strata=division.strata,
            notes=tuple(note.message for note in division.notes),
            given=division.given,
        )
        return to_html(result, result.folders, sealing).encode()

    return page


def _stood_for(ledger: Ledger, name: str) -> str | None:
    if name not in ledger.store.refs():
        return None
    about = ledger.ref(name).about
    if isinstance(about, ModelRef):
        raise UsageError(f"the name {name} stands for models already", remedy="give the dataset another --name")
    return about.snapshot if isinstance(about, Ref) else None


def _admission(name: str, result: AdmissionResult, sealed: Sealed, reviews: list[str]) -> Admission:
    files = result.dataset.files
    ended: dict[str, str] = {}
    for outcome in sorted(result.outcomes, key=lambda each: _WORST.index(each.status), reverse=True):
        ended[outcome.rule.id] = outcome.status
    examples = sum(file.examples for file in files)
    terms = terms_of(result.dataset.cards)
    return Admission(
        name=name,
        snapshot=sealed.snapshot,
        descriptor=sealed.descriptor,
        policy=sealed.policy,
        findings=sealed.findings,
        report=sealed.report,
        verdict="pass",
        reason=result.reason,
        sources=[_source(file) for file in sorted(files, key=lambda each: each.path)],
        rows=sum(file.rows for file in files),
        examples=examples,
        malformed=sum(file.malformed for file in files),
        admitted=sealed.admitted,
        excluded=sealed.excluded.height,
        splits=sealed.splits,
        rules=dict(sorted(ended.items())),
        waivers=list(result.waived),
        reviews=reviews,
        licences=list(terms.licences),
        languages=list(terms.languages),
    )


def _source(file: SourceFile) -> SourceRecord:
    # Canonical JSON carries no lone surrogates, which stand for bytes of a name that are not UTF-8.
    path = file.path.encode("utf-8", "backslashreplace").decode()
    return SourceRecord(path=path, sha256=file.sha256, bytes=file.bytes, rows=file.rows)
