"""Snapshots for somebody at a terminal: what lies in a store, one of them, how two differ, and what was exported.

Words that people wrote and names of files are made inert before they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from gate.data.frame import SPLITS
from gate.reporting.inert import one_line
from gate.snapshots.difference import CHANGES, SnapshotDifference
from gate.snapshots.export import Exported
from gate.snapshots.listing import Entry
from gate.snapshots.overview import Shown, Word

_ROWS = 12
"""Rows that differ and are shown."""
_SOURCES = 20
"""Source files that are shown."""


def entries_table(entries: Sequence[Entry]) -> str:
    """A line per snapshot of a store, in columns; the one that a name stands for now has a star."""
    if not entries:
        return "no snapshot yet: `gate admit data/ --name NAME` makes one\n"
    rows = [("", "name", "snapshot", "rows", "splits", "admitted by", "on", "stands")]
    for each in entries:
        stands = each.problem or each.status or "not checked"
        rows.append(
            (
                "*" if each.current else "",
                one_line(each.name, 64) if each.number is None else f"{each.name}@{each.number}",
                each.snapshot[:12] or "–",
                f"{each.rows:,}",
                splits_of(each.splits),
                one_line(each.by, 40),
                each.at[:16].replace("T", " "),
                one_line(stands, 300),
            )
        )
    return columns(rows, right=(3,))


def reasons(entries: Sequence[Entry]) -> Iterable[str]:
    """Why what a name stands for now may not be used, a sentence each."""
    for each in entries:
        if each.current and each.reasons:
            yield f"{each.name}@{each.number} {each.status}: {one_line('; '.join(each.reasons), 600)}"


def splits_of(splits: dict[str, int]) -> str:
    """`train 900, test 100`."""
    return ", ".join(f"{name} {splits[name]:,}" for name in SPLITS if splits.get(name))


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: str = "") -> str:
    """Rows as text in columns, two spaces apart."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines) + "\n"


def overview_text(shown: Shown) -> str:
    """Everything that is known of a snapshot beside its rows."""
    about = shown.about
    stands = shown.standing
    status = "not checked: name a trust file with --trust" if stands is None else stands.status
    facts = [
        ("snapshot", shown.snapshot),
        ("names", ", ".join(shown.names) or f"{one_line(about.name, 64)} (no ref)"),
        ("admitted", f"by {one_line(shown.admission.author, 80)}, {moment(shown.admission.made)}"),
        ("statement", shown.admission.digest),
        ("stands", status),
        *(("", one_line(reason, 600)) for reason in (() if stands is None else stands.reasons)),
        *(("ignored", one_line(why, 600)) for why in (() if stands is None else stands.ignored)),
        ("rows", f"{about.rows:,} read = {about.examples:,} examples + {about.malformed:,} that could not be read"),
        ("examples", f"{about.examples:,} = {about.admitted:,} admitted + {about.excluded:,} left out"),
        ("splits", splits_of(about.splits)),
        ("policy", f"{about.policy[:12]}, {len(shown.rules):,} rules: {_ends(shown)}"),
        ("licence", one_line(", ".join(about.licences), 200) or "none is named by a card"),
        ("languages", one_line(", ".join(about.languages), 200) or "none is named by a card"),
        ("report", about.report[:12] if about.report else "none"),
    ]
    parts = [columns(facts)]
    if shown.words:
        parts.append(_headed("said", [_word(word) for word in shown.words]))
    rules = [
        tuple(
            one_line(word, 60)
            for word in (rule.id, rule.severity, ", ".join(rule.kinds), rule.ended or "not applied", rule.digest[:12])
        )
        for rule in shown.rules
    ]
    parts.append(_headed(f"rules ({len(rules):,})", rules))
    parts.append(_counts("left out by", shown.exclusions, "examples"))
    parts.append(_counts("found by", shown.findings, "findings"))
    sources = [
        (one_line(each.path, 100), f"{each.rows:,} rows", f"{each.bytes:,} bytes", each.sha256[:12])
        for each in about.sources[:_SOURCES]
    ]
    parts.append(_headed(f"sources ({len(about.sources):,})", sources, right=(1, 2)))
    if len(about.sources) > _SOURCES:
        parts.append(f"  and {len(about.sources) - _SOURCES:,} more: --output json\n")
    return "\n".join(part for part in parts if part)


def moment(made: str) -> str:
    """A time of a statement, to the minute."""
    return f"{made[:10]} {made[11:16]} UTC"


def _ends(shown: Shown) -> str:
    ends: dict[str, int] = {}
    for end in shown.about.rules.values():
        ends[end] = ends.get(end, 0) + 1
    return ", ".join(f"{count:,} {one_line(end, 20)}" for end, count in sorted(ends.items()))


def _word(word: Word) -> tuple[str, ...]:
    until = "" if word.until is None else f" ({'over since' if word.over else 'until'} {moment(word.until)})"
    return word.kind, one_line(word.by, 40), moment(word.at), word.statement[:12], one_line(word.said, 300) + until


def _counts(heading: str, counts: dict[str, int], of: str) -> str:
    return _headed(heading, [(one_line(rule, 60), f"{count:,} {of}") for rule, count in counts.items()], right=(1,))


def _headed(heading: str, rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    return f"{heading}\n{columns(rows, right=right, indent='  ')}" if rows else ""


def difference_text(result: SnapshotDifference) -> str:
    """How two snapshots differ."""
    head = "DIFFERENT" if result.differ else "SAME"
    parts = [f"{head}  {_side(result.a)} → {_side(result.b)}\n"]
    counts = [("same", f"{result.same:,}"), *((change, f"{result.count(change):,}") for change in CHANGES)]
    parts.append(_headed("rows", counts, right=(1,)))
    changed = [each for each in result.figures if each.a != each.b]
    if changed:
        rows = [("", "A", "B", "change")]
        rows += [(one_line(each.name, 80), f"{each.a:,}", f"{each.b:,}", f"{each.b - each.a:+,}") for each in changed]
        parts.append(_headed("figures", rows, right=(1, 2, 3)))
    parts.append(_headed("rules", [(one_line(rule, 100), how) for rule, how in result.rules.items()]))
    sources = [(one_line(path, 100), one_line(how, 100)) for path, how in result.sources.items()]
    parts.append(_headed("sources", sources[:_SOURCES]))
    if result.rows.height:
        shown = result.rows.head(_ROWS).iter_rows(named=True)  # the few that are shown
        parts.append(_headed("some of the rows", [_row(each) for each in shown]))
        if result.rows.height > _ROWS:
            parts.append(f"  {_ROWS} of {result.rows.height:,}; all of them: --output json\n")
    return "\n".join(part for part in parts if part)


def _row(row: dict[str, object]) -> tuple[str, ...]:
    splits = " → ".join(str(split) for split in (row["a_split"], row["b_split"]) if split is not None)
    return str(row["change"]), str(row["id"])[:12], splits, f"{one_line(str(row['file']), 100)}:{row['row']}"


def _side(shown: Shown) -> str:
    return f"{one_line(shown.names[-1] if shown.names else shown.about.name, 80)} ({shown.snapshot[:12]})"


def difference_markdown(result: SnapshotDifference) -> str:
    """A comment's worth of it."""
    word = "different" if result.differ else "the same"
    lines = [f"### gate snapshots diff: {word}", "", f"{_code(_side(result.a))} → {_code(_side(result.b))}", ""]
    lines += ["| rows | |", "| --- | ---: |", f"| same | {result.same:,} |"]
    lines += [f"| {change} | {result.count(change):,} |" for change in CHANGES]
    lines.append("")
    changed = [each for each in result.figures if each.a != each.b]
    if changed:
        lines += ["| figure | A | B |", "| --- | ---: | ---: |"]
        lines += [f"| {_code(each.name)} | {each.a:,} | {each.b:,} |" for each in changed]
        lines.append("")
    for name, changes in (("rule", result.rules), ("source", result.sources)):
        if changes:
            lines += [f"| {name} | |", "| --- | --- |"]
            lines += [f"| {_code(each)} | {_code(how)} |" for each, how in list(changes.items())[:_SOURCES]]
            lines.append("")
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"`{one_line(text.replace('`', chr(39)).replace('|', '¦'), 200)}`"


def difference_document(result: SnapshotDifference) -> dict[str, object]:
    """All of it, for programs; no text of the data."""
    moves = result.rows.filter(pl.col("change") == "moved").group_by("a_split", "b_split").len().sort("a_split")
    return {
        "schema": "gate.snapshots.diff/1",
        "a": result.a.snapshot,
        "b": result.b.snapshot,
        "differ": result.differ,
        "rows": {"same": result.same} | {change.replace(" ", "_"): result.count(change) for change in CHANGES},
        "moves": moves.rename({"a_split": "from", "b_split": "to", "len": "rows"}).to_dicts(),
        "figures": [{"name": each.name, "a": each.a, "b": each.b} for each in result.figures],
        "rules": result.rules,
        "sources": result.sources,
        "changes": result.rows.to_dicts(),
    }


def overview_document(shown: Shown) -> dict[str, object]:
    """The same as `overview_text`, for programs."""
    about, stands = shown.about, shown.standing
    return {
        "schema": "gate.snapshots.show/1",
        "snapshot": shown.snapshot,
        "names": shown.names,
        "statement": shown.admission.digest,
        "admitted": {"by": shown.admission.author, "at": shown.admission.made},
        "stands": None
        if stands is None
        else {"status": stands.status, "reasons": stands.reasons, "ignored": stands.ignored},
        "rows": {
            "read": about.rows,
            "examples": about.examples,
            "malformed": about.malformed,
            "admitted": about.admitted,
            "excluded": about.excluded,
        },
        "splits": about.splits,
        "excluded_by": shown.exclusions,
        "findings": shown.findings,
        "licences": about.licences,
        "languages": about.languages,
        "policy": about.policy,
        "report": about.report,
        "rules": shown.rules,
        "said": shown.words,
        "sources": [source.model_dump() for source in about.sources],
    }


def exported_text(exported: Exported) -> str:
    """What was written, and what it is good for."""
    rows = [(file.path, "" if file.split is None else f"{file.rows:,} rows", f"{file.bytes:,} bytes")
            for file in exported.files]  # fmt: skip
    out = one_line(str(exported.out), 300)
    lines = [f"EXPORTED  {exported.rows:,} examples of {exported.snapshot[:12]} to {out}"]
    lines.append(columns(rows, right=(1, 2), indent="  ").rstrip("\n"))
    lines.append("Texts are as they were admitted: nothing is masked.")
    if exported.form == "datasets":
        lines.append(f"In Python: datasets.load_dataset({out!r})")
    return "\n".join(lines) + "\n"
