"""A promotion as JSON: the report's twin, with the same content in figures instead of words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import orjson

from gate.promotion.comparison import Comparison
from gate.promotion.decided import Decided, Side
from gate.reporting.inert import inert, one_line
from gate.reporting.promotion_changed import Changed, plain
from gate.reporting.promotion_forgetting import Kept, learned_and_forgotten
from gate.reporting.promotion_lines import Line
from gate.reporting.promotion_page import Page, promotion_page
from gate.reporting.promotion_reading import Reading
from gate.reporting.promotion_schema import (
    SCHEMA,
    ChangedEntry,
    ComparisonEntry,
    DataEntry,
    FigureEntry,
    ForgettingEntry,
    ModelEntry,
    OutcomeEntry,
    OutputEntry,
    PromotionEntry,
)
from gate.reporting.promotion_told import Measured, Told, UsedData
from gate.reporting.run_page import MOST_POINTS, thin
from gate.training.history import History
from gate.version import __version__


def to_promotion_json(decided: Decided, told: Told | None = None) -> PromotionEntry:
    """The document; every number in it is finite, every text inert, so that it is JSON anywhere and harmless where it
    is printed."""
    return cast(PromotionEntry, _harmless(_document(decided, told or Told())))


def _harmless(value: object) -> object:
    """The same with every text inert, keys included: names and reasons come from anywhere."""
    if isinstance(value, str):
        return inert(value)
    if isinstance(value, Mapping):
        return {inert(str(key)): _harmless(each) for key, each in value.items()}
    return [_harmless(each) for each in value] if isinstance(value, list | tuple) else value


def _document(decided: Decided, told: Told) -> PromotionEntry:
    page = promotion_page(decided, told)
    learned, forgotten = learned_and_forgotten(decided)
    forgot, kept = page.forgetting, page.reading
    sides = [decided.candidate, decided.base, *([decided.champion] if decided.champion else [])]
    return {
        "schema": SCHEMA,
        "version": __version__,
        "made": decided.made,
        "name": decided.candidate.name,
        "model": decided.candidate.model,
        "verdict": decided.verdict,
        "word": page.word,
        "reasons": [{"said": each.said, "change": each.change} for each in page.reasons],
        "warnings": [one_line(each, 600) for each in decided.warnings],
        "models": [_side(each) for each in sides],
        "first": decided.first,
        "training": decided.training.digest,
        "snapshots": {each.name: each.snapshot for each in decided.trained.snapshots},
        "policy": dict(decided.policy),
        "policy_digest": decided.policy_digest,
        "alpha": decided.alpha,
        "criteria_declared": decided.criteria_declared,
        "criteria": page.criteria,
        "criteria_changes": [
            {"key": each.key, "declared": each.declared, "applied": each.applied} for each in decided.criteria_changes
        ],
        "split_uses": dict(decided.split_uses),
        "outcomes": [_outcome(each) for each in (*page.lines, *page.champion_lines)],
        "forgetting": _kept(forgot.kept),
        "task": _kept(forgot.learned),
        "bits_per_byte": [{"task": each.task, "before": each.before, "after": each.after} for each in forgot.bits],
        "divergence": None if forgot.divergence is None else forgot.divergence[1],
        "learned": learned,
        "forgotten": forgotten,
        "others": [
            {
                "name": one_line(each.name, 120),
                "made": each.made,
                "verdict": each.verdict,
                "learned": each.learned,
                "forgotten": each.forgotten,
            }
            for each in forgot.points
            if not each.this
        ],
        "figures": [_figure(each) for each in told.figures],
        "changed": [_changed(each) for each in page.changed.items],
        "changed_counts": _counts(page),
        "outputs": [_output(each) for each in kept.items],
        "outputs_population": kept.population,
        "marked_good": kept.good,
        "marked_bad": kept.bad,
        "reviewers": list(kept.reviewers),
        "reviews": list(told.reviews),
        "data": [_data(each) for each in told.data],
        "dropped": dict(told.left_out),
        "curves": _curves(told.history),
        "waivers": [
            {
                "rule": each.rule,
                "by": each.by,
                "until": each.until,
                "over": each.over,
                "why": each.why,
                "statement": each.statement,
            }
            for each in page.waivers
        ],
        "limitations": list(page.limitations),
        "needed": page.sign_off.needed,
        "approvers": list(page.sign_off.people),
        "approvals": [{"by": by, "at": at, "note": note} for by, at, note in page.sign_off.approvals],
    }


def promotion_bytes(decided: Decided, told: Told | None = None) -> bytes:
    """The document as a file."""
    return orjson.dumps(to_promotion_json(decided, told), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _side(side: Side) -> ModelEntry:
    return {
        "role": side.role,
        "name": one_line(side.name, 200),
        "model": side.model,
        "evaluations": {suite: each.statement.digest for suite, each in side.evaluations.items()},
        "repeats": {suite: each.statement.digest for suite, each in side.repeats.items()},
        "prompts": [each.statement.digest for each in side.prompts],
    }


def _outcome(line: Line) -> OutcomeEntry:
    one = line.outcome
    return {
        "demand": one.demand,
        "asked": one_line(line.demand, 200),
        "suite": one.task.suite,
        "task": one.task.task,
        "metric": one_line(one.metric, 120),
        "higher_is_better": not line.less_is_better,
        "against": one.against,
        "verdict": one.verdict,
        "ended": line.ended,
        "gated": one.gated,
        "waiver": one.waiver,
        "why": inert(one.why, 2000),
        "settles": None if one.settles is None else inert(one.settles, 2000),
        "place": None if one.place is None else one_line(one.place, 400),
        "value": _finite(one.value),
        "limit": _finite(one.limit),
        "comparison": None if one.comparison is None else _comparison(one.comparison),
        "holm": _finite(one.holm),
        "changed": line.changed,
    }


def _comparison(found: Comparison) -> ComparisonEntry:
    sample = found.forgetting
    return {
        "kind": found.kind,
        "n": found.n,
        "clusters": found.clusters,
        "before": found.before,
        "after": found.after,
        "difference": found.difference,
        "lost": found.lost,
        "gained": found.gained,
        "lower": found.lower,
        "upper": found.upper,
        "margin": found.margin,
        "noise": found.noise,
        "p_difference": found.p_difference,
        "p_worse": found.p_worse,
        "minimum_detectable": _finite(found.minimum_detectable),
        "required_n": found.required_n,
        "smallest_n": found.smallest_n,
        "critical": found.critical,
        "method": found.method,
        "adjusted_forgotten": None if sample is None else sample.adjusted_forgotten,
        "adjusted_learned": None if sample is None else sample.adjusted_learned,
    }


def _kept(kept: Kept | None) -> ForgettingEntry | None:
    if kept is None:
        return None
    return {
        "items": kept.items,
        "known": kept.known,
        "lost": kept.lost,
        "gained": kept.gained,
        "retained": kept.retained,
        "forgotten": kept.forgotten,
        "learned": kept.learned,
    }


def _figure(measured: Measured) -> FigureEntry:
    one, base = measured.candidate, measured.base
    return {
        "suite": one.suite,
        "task": one.task,
        "name": one_line(one.name, 120),
        "value": _finite(one.value),
        "lower": _finite(one.lower),
        "upper": _finite(one.upper),
        "base": None if base is None else _finite(base.value),
        "n": one.n,
        "higher_is_better": one.higher_is_better,
        "about": one_line(one.about, 600),
    }


def _changed(item: Changed) -> ChangedEntry:
    return {
        "suite": item.suite,
        "task": item.task,
        "index": item.place,
        "doc_hash": item.id,
        "slice": item.slice,
        "change": item.change,
        "prompt": item.prompt.text,
        "target": item.target.text,
        "said": [
            {"role": said.role, "output": plain(said.runs), "value": said.value, "other_prompt": said.other_prompt}
            for said in item.said
        ],
    }


def _counts(page: Page) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for (task, change), number in page.changed.counts.items():
        counts.setdefault(task, {})[change] = number
    return counts


def _output(item: Reading) -> OutputEntry:
    return {
        "id": item.id,
        "suite": item.suite,
        "task": item.task,
        "index": item.place,
        "changed": item.changed,
        "prompt": item.prompt.text,
        "target": item.target.text,
        "output": item.output.text,
        "base": None if item.base is None else item.base.text,
        "value": item.value,
        "marks": [
            {
                "verdict": mark.verdict,
                "reason": None if mark.reason is None else inert(mark.reason, 2000),
                "reviewer": one_line(mark.reviewer, 120),
            }
            for mark in item.marks
        ],
    }


def _data(each: UsedData) -> DataEntry:
    use, admission = each.use, each.admission
    return {
        "name": use.name,
        "snapshot": use.snapshot,
        "role": use.role,
        "rows_read": None if admission is None else admission.rows,
        "malformed": None if admission is None else admission.malformed,
        "admitted": None if admission is None else admission.admitted,
        "excluded": None if admission is None else admission.excluded,
        "excluded_by": None if each.excluded is None else dict(each.excluded),
        "rows": use.rows,
        "trained": use.trained,
        "dropped": use.dropped,
        "unseen": use.unseen,
        "truncated": use.truncated,
    }


_SERIES: Sequence[tuple[str, str, str]] = (
    ("loss", "loss", "points"),
    ("validation_loss", "loss", "evaluations"),
    ("learning_rate", "lr", "points"),
    ("gradient_norm", "grad_norm", "points"),
    ("retention", "score", "retention"),
    ("kl", "kl", "points"),
)


def _curves(history: History) -> dict[str, list[tuple[int, float]]]:
    found = {name: thin(history.series(field, of), MOST_POINTS) for name, field, of in _SERIES}
    return {name: points for name, points in found.items() if points}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
