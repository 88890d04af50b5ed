"""A promotion as one comment on a pull request of a model's repository, and as the summary of a step.

Text of models and tasks stands in code spans only, where Markdown knows no links, images, mentions or HTML; no output
of a model is in it. Its size is bounded as it is put together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gate.promotion.decided import Decided
from gate.reporting.inert import one_line
from gate.reporting.markdown import Bounded, cell, code
from gate.reporting.promotion_changed import counted
from gate.reporting.promotion_lines import Line
from gate.reporting.promotion_page import Page, promotion_page
from gate.reporting.promotion_told import Told

LIMIT = 60_000
"""Bytes, and so characters, of a comment; GitHub takes 65,536 characters."""
ROWS = 200


def to_promotion_markdown(decided: Decided, told: Told | None = None) -> str:
    """The comment, with a hidden marker by which whoever posts it finds the one to edit."""
    name = re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9_.-]", "-", decided.candidate.name)).strip("-")[:60]
    return f"<!-- gate:promotion:{name or 'candidate'} -->\n" + promotion_summary(decided, told, LIMIT - 100)


def promotion_summary(decided: Decided, told: Told | None, limit: int) -> str:
    """The same without marker; at most `limit` bytes."""
    page = promotion_page(decided, told or Told())
    text = Bounded(limit)
    text.add(f"### gate: {page.word} · {code(one_line(decided.candidate.name, 120))}\n\n")
    text.add_list("", [_reason(each.said, each.change) for each in page.reasons], "\n")
    text.add_list("#### Mind\n\n", [f"- {code(one_line(each, 600))}\n" for each in decided.warnings], "\n")
    _table(text, "Task by task", page.lines)
    _table(text, "Against the champion", page.champion_lines)
    _figures(text, page)
    text.add_list(
        "\n<details><summary>What this cannot say</summary>\n\n",
        [f"- {code(each)}\n" for each in page.limitations],
        "\n</details>\n",
    )
    if decided.verdict == "pass":
        text.add(f"\n{page.sign_off.needed}\n")
        for what, typed in page.sign_off.commands:
            text.add(f"- {what}: {code(typed)}\n")
    return str(text)


def _reason(said: str, change: str | None) -> str:
    return f"- {code(said)}\n" + (f"  - what would change it: {code(change)}\n" if change else "")


def _table(text: Bounded, title: str, lines: Sequence[Line]) -> None:
    header = "| task | ended | before | after | difference | interval | margin | n |\n"
    rows = [
        f"| {cell(one_line(line.name, 80))} | {line.ended} | {line.before} | {line.after} | {line.difference} "
        f"| {line.interval} | {line.margin} | {line.n} |\n"
        for line in lines[:ROWS]
    ]
    text.add_list(f"\n#### {title}\n\n{header}| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n", rows, "")


def _figures(text: Bounded, page: Page) -> None:
    counts, kept = counted(page.changed), page.forgetting.kept
    told = []
    if kept is not None and kept.retained is not None:
        told.append(f"- of {kept.known:,} general items that the base got right {100 * kept.retained:.1f} % are kept\n")
    told.append(
        f"- {counts['lost']:,} answers were right before and are wrong now, {counts['gained']:,} the other way\n"
    )
    told.append(f"- {page.reading.marked} of {len(page.reading.items)} sampled outputs were marked by people\n")
    told.append(f"- {code(page.criteria)}\n")
    text.add_list("\n", told, "")
