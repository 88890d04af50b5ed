"""What somebody is about to sign, and what followed from it, in lines for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from gate.data.frame import SPLITS
from gate.provenance.model_standing import ModelStanding
from gate.provenance.moments import minute_of
from gate.provenance.standing import Standing
from gate.provenance.statements import Admission, Promotion, Release, Statement, Training, Waiver
from gate.reporting.inert import one_line

_SHOWN = 5
"""Findings of a waiver that are shown; the statement names all of them."""


def said_lines(statement: Statement, stands: Standing | ModelStanding | None) -> list[str]:
    """What somebody signs about: an admission, a promotion, or the training of a model that was never judged."""
    if isinstance(statement.about, Admission):
        return admission_lines(statement, stands if isinstance(stands, Standing) else None)
    about = statement.about
    if isinstance(about, Promotion):
        against = f"the base and {about.champion_name} {about.champion[:12]}" if about.champion else "the base"
        lines = [
            f"model      {one_line(about.name, 80)}",
            f"digest     {about.model}",
            f"promotion  {statement.digest}",
            f"decided    by {one_line(statement.author, 80)} on {minute_of(statement.made)}, against {against}",
            f"verdict    {about.verdict}",
            *(f"           {one_line(reason, 400)}" for reason in about.reasons),
            f"criteria   {'changed since they were declared, or never declared' if about.criteria_changed else 'kept'}",
            *(f"waiver     {_waiver(each)}" for each in (stands.waivers if stands is not None else ())),
            f"report     gate models show {statement.digest[:12]} --output html",
        ]
        return [*lines, *standing_lines(stands)]
    lines = [f"{statement.kind:<10} {statement.digest}", f"made       by {one_line(statement.author, 80)}"]
    if isinstance(about, Training | Release):
        lines.insert(0, f"model      {about.model}")
    return [*lines, *standing_lines(stands)]


def admission_lines(statement: Statement, stands: Standing | None) -> list[str]:
    """What an admission says, and how it stands: what an approver, or whoever rejects or revokes, signs about."""
    about = statement.about
    assert isinstance(about, Admission)
    splits = ", ".join(f"{name} {count:,}" for name in SPLITS if (count := about.splits.get(name)))
    ended = Counter(about.rules.values())
    rules = ", ".join(
        f"{count} {'waived' if status == 'failed' else status}{_named(about, status)}"
        for status, count in ended.most_common()
    )
    lines = [
        f"dataset    {one_line(about.name, 80)}",
        f"snapshot   {about.snapshot}",
        f"admission  {statement.digest}",
        f"admitted   by {one_line(statement.author, 80)} on {minute_of(statement.made)}",
        f"rows       {about.rows:,} read = {about.admitted:,} admitted + {about.excluded:,} excluded"
        f" + {about.malformed:,} malformed, from {len(about.sources):,} file{'s' if len(about.sources) != 1 else ''}",
        f"splits     {splits}",
        f"rules      {rules}",
        *(f"waiver     {_waiver(each)}" for each in (stands.waivers if stands is not None else ())),
    ]
    if stands is None and about.waivers:
        lines.append(f"waivers    {len(about.waivers)} (a trust file says whose: --trust)")
    if about.report is not None:
        lines.append(f"report     gate report {statement.digest[:12]}")
    return [*lines, *standing_lines(stands)]


def standing_lines(stands: Standing | ModelStanding | None) -> list[str]:
    """How a snapshot or a promotion stands, and what was said that does not count."""
    if stands is None:
        return []
    return [
        f"stands     {stands.status}",
        *(f"           {one_line(reason, 400)}" for reason in stands.reasons),
        *(f"ignored    {one_line(each, 300)}" for each in stands.ignored),
    ]


def waiver_lines(rule: str, findings: pl.DataFrame, until: str) -> list[str]:
    """What a waiver covers.

    Args:
        findings: schema gate.admission.result.FINDINGS, and `finding` (the id).
    """
    lines = [
        f"rule       {one_line(rule, 80)}",
        f"findings   {findings.height:,}, as they are now; what comes later is not covered",
    ]
    shown = findings.head(_SHOWN).select("finding", "file", "row", "message")
    for finding, file, row, message in shown.iter_rows():  # the few that are shown
        place = one_line(f"{file or 'the dataset'}{'' if row is None else f', row {row}'}", 80)
        lines.append(f"           {finding[:12]}  {place}: {one_line(message or '', 120)}")
    if findings.height > _SHOWN:
        lines.append(f"           … and {findings.height - _SHOWN:,} more")
    return [*lines, f"until      {minute_of(until)}"]


def outcome_lines(rule: str, name: str, outcomes: Sequence[tuple[str, str]], until: str) -> list[str]:
    """What a waiver of a model's outcomes covers.

    Args:
        outcomes: digests, and what was found.
    """
    lines = [
        f"rule       {one_line(rule, 80)}",
        f"model      {one_line(name, 80)}, and no other",
        *(f"           {digest[:12]}  {one_line(why, 300)}" for digest, why in outcomes),
    ]
    return [*lines, f"until      {minute_of(until)}"]


def followed_lines(stands: Standing | ModelStanding | None) -> list[str]:
    """How it stands after something was signed."""
    return standing_lines(stands) if stands is not None else ["whether it counts is for a trust file to say: --trust"]


def _named(about: Admission, status: str) -> str:
    """The rules that ended so, where that is not what one hopes for."""
    rules = [rule for rule, ended in about.rules.items() if ended == status]
    return f" ({one_line(', '.join(rules), 200)})" if status in ("warned", "failed") else ""


def _waiver(statement: Statement) -> str:
    about = statement.about
    assert isinstance(about, Waiver)
    count = f"{len(about.findings):,} finding{'s' if len(about.findings) != 1 else ''}"
    who, rule = one_line(statement.author, 60), one_line(about.rule, 60)
    return f"{rule}, {count}, by {who} until {minute_of(about.until)}: {one_line(about.why, 120)}"
