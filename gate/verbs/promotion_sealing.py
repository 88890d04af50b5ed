"""Seals what was decided of a candidate: the policy, the result and the report as objects, and the statement."""

from __future__ import annotations

import orjson

from gate.evaluation.results import Evaluated
from gate.evaluation.split_uses import split_uses
from gate.folders import Folders
from gate.promotion.champion import Champion
from gate.promotion.decided import Decided
from gate.promotion.gather import Judged, Sides
from gate.promotion.naming import promotions
from gate.promotion.policy import PromotionPolicy
from gate.promotion.waived import outcome_digest
from gate.provenance.envelope import Signer, canonical
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Promotion, Statement
from gate.provenance.trust import Trust
from gate.reporting.promotion_json import to_promotion_json
from gate.reporting.promotion_page import to_promotion_html
from gate.reporting.promotion_told import Told


def uses_of_splits(ledger: Ledger, trust: Trust, regression: Evaluated | None) -> dict[str, int]:
    """How many candidates were scored on each test split that this one was scored on, it included."""
    if regression is None:
        return {}
    named = [regression.about.snapshot, *(task.document.snapshot for task in regression.tasks.values())]
    snapshots = dict.fromkeys(each for each in named if each is not None)
    return {each: len(split_uses(ledger, trust, each)) for each in snapshots}


def earlier(ledger: Ledger, trust: Trust) -> tuple[dict[str, object], ...]:
    """Earlier promotions, with how much each learned and forgot, where their results are in this store."""
    found = []
    for one in promotions(ledger, trust):
        about = one.about
        assert isinstance(about, Promotion)
        said: dict[str, object] = {}
        if ledger.store.path(about.result, "json").is_file():  # else it was erased, or did not come along
            said = orjson.loads(ledger.store.read(about.result, "json"))
        found.append(
            {
                "name": about.name,
                "model": about.model,
                "verdict": about.verdict,
                "made": one.made,
                "learned": said.get("learned"),
                "forgotten": said.get("forgotten"),
            }
        )
    return tuple(found)


def seal_promotion(
    judged: Judged,
    decided: Decided,
    told: Told,
    sides: Sides,
    policy: PromotionPolicy,
    best: Champion | None,
    ledger: Ledger,
    signer: Signer,
    folders: Folders,
) -> Statement:
    """Keep the policy, the result and the report, and sign what they come to."""
    store = ledger.store
    waivable = [
        {
            "digest": outcome_digest(each, judged.model),
            "suite": each.suite,
            "task": each.task.task,
            "metric": each.metric,
            "against": each.against,
            "verdict": each.verdict,
            "why": each.why,
        }
        for each in decided.outcomes
        if each.gated and each.verdict != "pass" and each.suite in policy.form.waivable
    ]
    result = {**to_promotion_json(decided, told), "waivable": waivable}
    about = Promotion(
        name=judged.name,
        model=judged.model,
        training=judged.training.digest,
        base=judged.trained.base,
        champion=best.about.model if best else None,
        champion_promotion=best.promotion.digest if best else None,
        first=decided.first,
        evaluations=sides.evaluations,
        policy=store.put(policy.content(), "json"),
        criteria=judged.trained.criteria,
        criteria_changed=not decided.criteria_declared or bool(decided.criteria_changes),
        verdict=decided.verdict,
        reasons=list(decided.reasons),
        result=store.put(canonical(orjson.loads(orjson.dumps(result))), "json"),
        report=store.put(to_promotion_html(decided, told, folders).encode(), "html"),
        waivers=[each.digest for each in decided.waivers],
        champion_name=policy.form.champion,
    )
    return ledger.say(about, signer, parents=told.reviews)
