"""The result as one comment on a pull request, and as the summary of a step.

It begins with a hidden marker, by which whoever posts it finds the comment to edit. It is empty where there is nothing
to say. Its size is bounded as it is put together. Text of the dataset stands in code spans only, where Markdown knows
no links, images, mentions or HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import polars as pl

from gate.admission.result import AdmissionResult, RuleOutcome
from gate.folders import Folders
from gate.reporting.changes import RISKS, Change, changes
from gate.reporting.counts import counted, findings_told, flagged_told, rows_told
from gate.reporting.findings import masked_findings
from gate.reporting.inert import one_line
from gate.reporting.levels import in_order, level_of
from gate.reporting.located import Located, located, named
from gate.reporting.waivers import waivers_used
from gate.reporting.worst import worst_first

LIMIT = 60_000
"""Bytes, and so characters, of a comment; GitHub takes 65,536 characters."""

LISTED = 20
"""Findings shown of one rule."""
RULES = 200
"""Lines of the table of rules."""
CHANGES = 60
"""Figures shown."""

_MORE = "\nThere is more: the JSON and HTML reports have all of it.\n"


def to_markdown(result: AdmissionResult, folders: Folders | None = None) -> str:
    """The comment; empty where every rule passed, and with a base also where no row differs from it.

    Args:
        folders: where a team's own thresholds of changes may lie.
    """
    if _nothing_to_say(result):
        return ""
    return f"{marker(result.dataset.root)}\n" + _told(result, folders, LIMIT - 100)


def summary(result: AdmissionResult, limit: int, folders: Folders | None = None) -> str:
    """The same without marker, also where there is little to say; at most `limit` bytes."""
    text = _told(result, folders or result.folders, limit)
    return text if len(text.encode()) <= limit else ""


def marker(root: str) -> str:
    """The hidden line for the dataset of that root, e.g. `<!-- gate:data -->`."""
    name = re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9_.-]", "-", root)).strip("-")[:60]
    return f"<!-- gate:{name or 'dataset'} -->"


def code(text: str) -> str:
    """A code span of any text, which cannot end before the text does."""
    shown = one_line(text) or " "
    fence = "`" * (max(map(len, re.findall(r"`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def cell(text: str) -> str:
    """The same in a table, where a bar would end the cell wherever it stands."""
    return code(text.replace("|", "¦"))


class Bounded:
    """Text that never grows beyond a number of bytes: what does not fit is left out, and said to be."""

    def __init__(self, limit: int) -> None:
        self._left = limit - len(_MORE.encode())
        self._parts: list[str] = []
        self._cut = False

    def add(self, block: str, *, closing: str = "") -> bool:
        """Append a block, if it fits together with what will have to close it."""
        size = len(block.encode())
        if size + len(closing.encode()) > self._left:
            self._cut = True
            return False
        self._parts.append(block)
        self._left -= size
        return True

    def add_list(self, opening: str, lines: Sequence[str], closing: str) -> None:
        """Append as many lines of a list or table as fit, between what opens and closes it; nothing without any."""
        if not lines or not self.add(opening, closing=lines[0] + closing):
            self._cut |= bool(lines)
            return
        for line in lines:
            if not self.add(line, closing=closing):
                break
        self.add(closing)

    def __str__(self) -> str:
        return "".join(self._parts) + (_MORE if self._cut else "")


def _nothing_to_say(result: AdmissionResult) -> bool:
    if result.verdict != "pass" or result.waivers or any(level_of(outcome, result) for outcome in result.outcomes):
        return False
    comparison = result.comparison
    return comparison is None or (comparison.new == 0 and comparison.removed == 0 and comparison.fixed.is_empty())


def _told(result: AdmissionResult, folders: Folders | None, limit: int) -> str:
    text = Bounded(limit)
    title = f"### gate: {result.verdict} · {code(one_line(result.dataset.root, 200))}\n\n"
    text.add(f"{title}{code(one_line(result.reason, 600))}\n\n")
    if result.comparison is not None:
        base, revision = result.comparison.base, result.comparison.revision
        # Apart from one another: two code spans side by side would be one.
        against = f"{code(one_line(base, 120))}" + (f" ({code(revision[:10])})" if revision else "")
        text.add(f"Compared with {against}: {rows_told(result.comparison)}.\n\n")
    text.add(f"Findings: {findings_told(result)}.\n")
    outcomes = in_order(result.outcomes)
    blocking = [outcome for outcome in outcomes if level_of(outcome, result) == "error"]
    warned = [outcome for outcome in outcomes if level_of(outcome, result) == "warning"]
    findings = worst_first(named(result).filter(pl.col("state") == "new"))
    for heading, group in (("What blocks", blocking), ("Warnings", warned)):
        if group and text.add(f"\n#### {heading}\n"):
            for outcome in group:
                _rule(text, outcome, result, findings)
    _changes(text, changes(result, folders))
    _fixed(text, result)
    text.add_list("\n#### Waivers\n\n", [f"- {code(one.sentence)}\n" for one in waivers_used(result)[:RULES]], "")
    _rules(text, outcomes, compared=result.comparison is not None)
    return str(text)


def _rule(text: Bounded, outcome: RuleOutcome, result: AdmissionResult, findings: pl.DataFrame) -> None:
    rule = outcome.rule
    if outcome.status == "errored":
        reason = code(one_line(outcome.reason or "", 600))
        text.add(f"\n**{code(one_line(rule.id, 120))}** could not be judged: {reason}\n")
        return
    own = findings.filter(pl.col("rule") == rule.id, pl.col("severity") == rule.severity)
    opened = " open" if level_of(outcome, result) == "error" else ""
    # Within one block of HTML, where no Markdown is read: escaped as HTML is.
    name = f"<b><code>{html.escape(one_line(rule.id, 120))}</code></b>"
    counts = flagged_told([outcome])
    lines = [f"- {_finding(each)}\n" for each in located(result, own.head(LISTED))]
    if own.height > LISTED:
        lines.append(f"- and {own.height - LISTED:,} more\n")
    opening = f"\n<details{opened}><summary>{name}: {counts}</summary>\n\n{code(one_line(rule.why, 600))}\n\n"
    text.add_list(opening, lines or ["- nothing to show\n"], "\n</details>\n")


def _finding(finding: Located) -> str:
    told = code(finding.place)
    told += f" {code(finding.code)}" if finding.code else ""
    told += f" {code(finding.message)}" if finding.message else ""
    told += f" {code(finding.evidence)}" if finding.evidence else ""
    return f"{told} → {finding.remedy}"


def _changes(text: Bounded, found: Sequence[Change]) -> None:
    if not found:
        return
    lines = [_change(change) for change in found[:CHANGES]]
    counts = ", ".join(f"{count} {risk}" for risk in RISKS if (count := sum(change.risk == risk for change in found)))
    opening = f"\n#### What changed\n\n{counted(len(found), 'figure')} differ from the base; risk: {counts}.\n\n"
    if len(found) == 1:
        opening = opening.replace("1 figure differ ", "1 figure differs ")
    text.add_list(opening + "| risk | figure | base | now |\n| --- | --- | ---: | ---: |\n", lines, "")


def _change(change: Change) -> str:
    figure = change.figure + (f": {cell(one_line(change.of, 60))}" if change.of is not None else "")
    shift = f" (shift {change.shift:.2f})" if change.shift is not None else ""
    return f"| {change.risk} | {figure}{shift} | {_number(change.before)} | {_number(change.now)} |\n"


def _fixed(text: Bounded, result: AdmissionResult) -> None:
    if result.comparison is None or result.comparison.fixed.is_empty():
        return
    fixed = masked_findings(result.comparison.fixed)
    by_rule = fixed["rule"].value_counts(sort=True)
    lines = [f"- {code(one_line(rule, 120))}: {counted(number, 'finding')}\n" for rule, number in by_rule.iter_rows()]
    text.add_list("\n#### Fixed\n\n", lines[:RULES], "")


def _rules(text: Bounded, outcomes: Sequence[RuleOutcome], *, compared: bool) -> None:
    names = ("new", "unchanged", "fixed") if compared else ("flagged",)
    waiving = any(outcome.waived for outcome in outcomes)
    names = (*names, "waived") if waiving else names
    header = " | ".join(("rule", *names, "examined", "tolerated", "ended"))
    lines = []
    for outcome in outcomes[:RULES]:
        judged = outcome.status not in ("errored", "skipped")
        counts = (outcome.flagged, outcome.unchanged, outcome.fixed) if compared else (outcome.flagged,)
        counts = (*counts, outcome.waived) if waiving else counts
        figures = (*counts, outcome.examined, outcome.tolerated)
        numbers = " | ".join(f"{number:,}" if judged else "–" for number in figures)
        lines.append(f"| {cell(one_line(outcome.rule.id, 120))} | {numbers} | {outcome.status} |\n")
    opening = f"\n<details><summary>All rules</summary>\n\n| {header} |\n| ---{' | ---:' * (len(names) + 2)} | --- |\n"
    text.add_list(opening, lines, "\n</details>\n")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.1f}"
