"""`gate promote`: from a candidate's evaluations and a policy to a signed decision, and, once it is approved, to a new
champion.

Order: the policy, whom to trust, who signs; the candidate with everything behind it; the champion; then the evaluations
of all three. What was decided before on the same evidence is not decided again: the statement is found, and what people
have said of it meanwhile is what counts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gate.errors import GateError, UsageError
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.promotion.champion import Champion, champion_of, move
from gate.promotion.covered import NotJudged
from gate.promotion.decide import Evidence, decide
from gate.promotion.decided import Decided
from gate.promotion.gather import Judged, Sides, find_judged, gather
from gate.promotion.naming import promotions, sealed_bytes
from gate.promotion.policy import DEFAULT, PromotionPolicy, load_promotion_policy, policy_of
from gate.promotion.waived import RULE
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.model_standing import ModelStanding, model_standing, revoked_models
from gate.provenance.statements import Promotion, Release, Statement, Training, Waiver, now
from gate.provenance.trust import Trust
from gate.provenance.waivers import waivers_in_force
from gate.reporting.outputs import Output, replace_file
from gate.reporting.promotion_told import Told
from gate.snapshots.verification import Verifier
from gate.store.objects import Store
from gate.store.objects import named as valid_name
from gate.training.chain import verify_model
from gate.verbs.looks import LOOKS
from gate.verbs.promotion_sealing import earlier, seal_promotion, uses_of_splits
from gate.verbs.promotion_told import marks_on, told_of
from gate.verbs.surroundings import open_signer, open_store, open_trust

Path_ = str | os.PathLike[str]
OnStage = Callable[[str, int, int], None]


class Refused(GateError):
    """Nothing was judged: something behind the candidate does not hold."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Promoted:
    """What was decided, and what came of it."""

    name: str
    """The candidate's."""
    statement: Statement
    """The promotion."""
    stands: ModelStanding
    """What people have said of it so far."""
    decided: Decided | None
    """None: it was decided before on the same evidence, and found as it was."""
    told: Told | None
    """What the report tells beside it."""
    ref: Statement | None
    """The ref that it moved now; None: it did not."""
    champion: bool
    """Whether the model has the name now."""
    replaced: str | None = None
    """The name of the champion before, where the ref was moved."""

    @property
    def about(self) -> Promotion:
        assert isinstance(self.statement.about, Promotion)
        return self.statement.about

    @property
    def exit_code(self) -> int:
        """0 promoted, 1 failed or turned down, 3 inconclusive or waiting for approval."""
        if self.about.verdict != "pass":
            return 1 if self.about.verdict == "fail" else 3
        if self.champion:
            return 0
        return 3 if self.stands.status == "waiting" else 1


def promote(
    candidate: str,
    *,
    policy: Path_ | None = None,
    first: bool = False,
    champion: str | None = None,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    signer: Signer | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Promoted:
    """Judge a candidate by its evaluations, sign the decision, and move the champion's name where it is approved.

    Args:
        candidate: a run, a folder with a candidate or a released merged model, or eight or more digits of its digest.
        policy: the promotion policy, a name or a file; None: the one by which it passed and was approved, else the
            repository's default.
        first: there is no champion yet, and somebody says so.
        champion: the name to be taken over, in place of the policy's.
        store, trust, trust_revision: as for `gate.open_snapshot`.
        signer: an owner or a release key; else the key of the environment.

    Raises:
        UsageError, PolicyError: something is named wrongly, or the policy can never be met.
        NotJudged: something that the policy demands is missing, or cannot be compared.
        Refused, NotPromoted, NotApproved, Untrusted, Damaged: what is behind the candidate does not hold.
    """
    folders = Folders(find_settings(Path()).folder)
    named = None if policy is None else load_promotion_policy(os.fspath(policy), folders)
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    place = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    by = signer or open_signer()
    believed.signer(by.keyid, by.name, "promotion", now(), "model")
    ledger = Ledger(place)
    judged = find_judged(candidate, ledger, believed)
    rules = named or _approved(judged, ledger, believed) or load_promotion_policy(DEFAULT, folders)
    if champion is not None:
        rules = replace(rules, form=rules.form.model_copy(update={"champion": valid_name(champion)}))
    _not_revoked(ledger, believed, judged)
    best = champion_of(ledger, believed, rules.form.champion)
    if best is not None and best.about.model == judged.model:
        stands = model_standing(ledger, believed, best.promotion)
        return Promoted(judged.name, best.promotion, stands, None, None, None, champion=True)
    if best is not None and first:
        raise UsageError(
            f"there is a {rules.form.champion} already: {best.promoted.name}",
            where=f"refs/{rules.form.champion}",
            remedy="leave --first away, and the candidate is compared with it",
        )
    _chain(judged, ledger, believed, on_stage)
    on_stage("reading evaluations", 0, 1)
    sides = gather(judged, best, rules, ledger, believed)
    on_stage("reading evaluations", 1, 1)
    waivers = [each for each in waivers_in_force(ledger, believed, now()) if _of_suite(each)]
    before = _before(judged, sides, rules, best, first, waivers, ledger, believed)
    if before is not None:
        return _settled(judged, before, best, None, None, ledger, believed, by)
    if best is None and not first:
        raise NotJudged(
            f"there is no {rules.form.champion} to compare with",
            where=f"refs/{rules.form.champion}",
            remedy="the very first promotion says so itself: --first",
        )
    declared = _declared(judged, ledger)
    on_stage("judging", 0, 1)
    evidence = Evidence(
        candidate=sides.candidate,
        base=sides.base,
        champion=sides.champion,
        first=first,
        training=judged.training,
        declared=declared,
        waivers=tuple(waivers),
        split_uses=uses_of_splits(ledger, believed, sides.candidate.evaluations.get("regression")),
        others=earlier(ledger, believed),
        notes=sides.notes,
    )
    decided = decide(evidence, rules, made=now())
    on_stage("judging", 1, 1)
    told = told_of(decided, ledger, believed, author=by.name)
    on_stage("writing the report", 0, 1)
    statement = seal_promotion(judged, decided, told, sides, rules, best, ledger, by, folders)
    on_stage("writing the report", 1, 1)
    return _settled(judged, statement, best, decided, told, ledger, believed, by)


def sealed_output(found: Promoted, output: Output, store: Store | Path_ | None = None) -> Path | None:
    """Give out a decision that was made before as it was sealed.

    Raises:
        UsageError: the form is not one that is sealed.
        Damaged: the report or the result is not what the statement names.
    """
    kinds = {"html": (found.about.report, "html"), "json": (found.about.result, "json")}
    if output.format not in kinds:
        raise UsageError(
            f"nothing was decided anew, and of the decision json and html are kept, not {output.format}",
            remedy="--output json or --output html",
        )
    place = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    content = sealed_bytes(Ledger(place), *kinds[output.format])
    if output.path is None:
        sys.stdout.buffer.write(content)
        return None
    replace_file(content, output.path)
    return output.path


def _not_revoked(ledger: Ledger, trust: Trust, judged: Judged) -> None:
    if (one := revoked_models(ledger, trust).get(judged.model)) is not None:
        raise Refused(
            f"{judged.name} was revoked by {one.author}: {one.about.why}",  # type: ignore[attr-defined]  # a Revocation
            where=judged.model[:12],
            remedy="nothing new may rest on it; train another one",
        )


def _approved(judged: Judged, ledger: Ledger, trust: Trust) -> PromotionPolicy | None:
    """The policy by which the candidate passed and was approved, as it was sealed; of several the youngest."""
    for one in reversed(promotions(ledger, trust, judged.model)):
        about = one.about
        assert isinstance(about, Promotion)
        if about.verdict == "pass" and model_standing(ledger, trust, one).status == "approved":
            where = ledger.store.name(ledger.store.path(about.policy, "json"))
            return policy_of(ledger.store.read(about.policy, "json"), where)
    return None


def _chain(judged: Judged, ledger: Ledger, trust: Trust, on_stage: OnStage) -> None:
    """That everything that the candidate was made of is whole, and that its snapshots may still be used.

    Raises:
        Refused: they are not.
    """
    total, done = sum(each.bytes for each in ledger.store.objects()), 0

    def on_bytes(size: int) -> None:
        nonlocal done
        done += size
        on_stage("verifying the chain", min(done, total), total)

    verifier = Verifier(ledger, trust, (), None, on_bytes, LOOKS)
    said = [
        one
        for one in verifier.statements.values()
        if one.digest == judged.training.digest
        or (isinstance(one.about, Training | Release) and one.about.model == judged.model)
    ]
    said.sort(key=lambda one: (one.about.kind != Training.kind, one.digest != judged.training.digest))
    found = verify_model(
        verifier, said[:1], judged.folder if judged.trained.model == judged.model else None, since=False
    )
    if found.broken:
        first = found.broken[0]
        raise Refused(
            f"the chain behind {judged.name} is broken: {first.said}",
            where=first.name or judged.model[:12],
            remedy=first.remedy or f"gate verify {judged.name} shows all of it",
        )
    for stands in found.standings:
        if stands.status != "approved":
            raise Refused(
                f"a snapshot that {judged.name} was trained on is {stands.status}: {'; '.join(stands.reasons)}",
                where=stands.snapshot[:12],
                remedy="no model that learned from it is promoted; train on another snapshot",
            )


def _of_suite(one: Statement) -> bool:
    return isinstance(one.about, Waiver) and one.about.rule.startswith(RULE)


def _before(
    judged: Judged,
    sides: Sides,
    policy: PromotionPolicy,
    best: Champion | None,
    first: bool,
    waivers: Sequence[Statement],
    ledger: Ledger,
    trust: Trust,
) -> Statement | None:
    """The decision on this very evidence, where it was made before: the youngest."""
    holding = {each.digest for each in waivers}
    for one in reversed(promotions(ledger, trust, judged.model)):
        about = one.about
        assert isinstance(about, Promotion)
        same = (
            about.training == judged.training.digest
            and about.policy == policy.digest()
            and sorted(about.evaluations) == sorted(sides.evaluations)
            and about.champion_promotion == (best.promotion.digest if best else None)
            and (about.first or not first)
            and about.champion_name == policy.form.champion
        )
        # A waiver that is over, or one that was made since, is other evidence.
        if same and set(about.waivers) <= holding and all(each.made <= one.made for each in waivers):
            return None if _read_since(one, sides, ledger, trust) else one
    return None


def _read_since(before: Statement, sides: Sides, ledger: Ledger, trust: Trust) -> bool:
    """Whether people signed what they say of the outputs after a decision that nobody has approved yet: the report that
    is to be approved shows it."""
    _, read = marks_on(sides.candidate, sides.base, ledger, trust)
    since = any(ledger.statement(each).made > before.made for each in read)
    return since and model_standing(ledger, trust, before).status == "waiting"


def _declared(judged: Judged, ledger: Ledger) -> PromotionPolicy | None:
    digest = judged.trained.criteria
    if digest is None:
        return None
    return policy_of(ledger.store.read(digest, "json"), ledger.store.name(ledger.store.path(digest, "json")))


def _settled(
    judged: Judged,
    statement: Statement,
    best: Champion | None,
    decided: Decided | None,
    told: Told | None,
    ledger: Ledger,
    trust: Trust,
    signer: Signer,
) -> Promoted:
    """What follows from a decision now: the name moves where it passed and is approved."""
    about = statement.about
    assert isinstance(about, Promotion)
    stands = model_standing(ledger, trust, statement)
    ref = None
    if about.verdict == "pass" and stands.status == "approved":
        trust.signer(signer.keyid, signer.name, "model_ref", now(), "model")
        ref = move(ledger, trust, statement, signer)
    replaced = best.promoted.name if best is not None and ref is not None else None
    return Promoted(judged.name, statement, stands, decided, told, ref, ref is not None, replaced)
