"""What `gate models` shows, as JSON that programs read; its form changes only with `schema`."""

from __future__ import annotations

from dataclasses import asdict

import orjson

from gate.promotion.models import Compared, Model, ModelList
from gate.provenance.statements import Evaluation, ModelRef, Promotion, Statement

SCHEMA = "gate.models/1"


def models_json(found: ModelList) -> bytes:
    """The list."""
    history = [_ref(ref) for ref in found.history]
    return _json({"trusted": found.trusted, "models": [_model(each) for each in found.models], "history": history})


def model_json(found: Model) -> bytes:
    """One model with everything that was said of it."""
    training = None if found.training is None else found.training.about.model_dump(mode="json")
    return _json({**_model(found), "made_of": training})


def compared_json(found: Compared) -> bytes:
    """Two models side by side."""
    rows = [
        {
            "suite": row.suite,
            "task": row.task,
            "metric": row.metric,
            "one": row.one,
            "other": row.other,
            "comparison": None if row.comparison is None else asdict(row.comparison),
            "why_not": row.why_not,
        }
        for row in found.rows
    ]
    alone = [{"suite": suite, "task": task} for suite, task in found.alone]
    return _json({"one": found.one, "other": found.other, "rows": rows, "only_one": alone})


def _model(found: Model) -> dict[str, object]:
    return {
        "name": found.name,
        "model": found.model,
        "state": found.state,
        "champion_of": list(found.champion_of),
        "revoked": found.revoked,
        "training": None if found.training is None else found.training.digest,
        "evaluations": [_evaluation(each) for each in found.evaluations],
        "promotions": [_promotion(each) for each in found.promotions],
        "standing": None
        if found.stands is None
        else {"status": found.stands.status, "reasons": list(found.stands.reasons)},
        "refs": [_ref(ref) for ref in found.refs],
    }


def _evaluation(one: Statement) -> dict[str, object]:
    about = one.about
    assert isinstance(about, Evaluation)
    return {
        "statement": one.digest,
        "made": one.made,
        "author": one.author,
        "suite": about.suite,
        "form": about.form,
        "repeat": about.repeat,
        "prompts": about.prompts,
        "tasks": {each.task: {"n": each.n, **each.scores} for each in about.tasks},
    }


def _promotion(one: Statement) -> dict[str, object]:
    about = one.about
    assert isinstance(about, Promotion)
    return {
        "statement": one.digest,
        "made": one.made,
        "author": one.author,
        "verdict": about.verdict,
        "reasons": about.reasons,
        "champion": about.champion,
        "first": about.first,
        "policy": about.policy,
        "criteria_changed": about.criteria_changed,
        "report": about.report,
        "result": about.result,
        "waivers": about.waivers,
    }


def _ref(ref: Statement) -> dict[str, object]:
    about = ref.about
    assert isinstance(about, ModelRef)
    return {
        "name": about.name,
        "number": about.number,
        "model": about.model,
        "promotion": about.statement,
        "made": ref.made,
        "author": ref.author,
        "why": about.why,
    }


def _json(document: dict[str, object]) -> bytes:
    return orjson.dumps({"schema": SCHEMA, **document}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
