"""The dataset card of an export (README.md): front matter that the datasets library and the hub read, and a page for
people: what is in it, what was left out, who stands behind it, and how to verify that.

Words that people wrote (names, notes, reasons) are shown as code, so that none of them is markup. Nothing is invented:
licence and languages are those of the cards beside the sources, and are absent where they name none.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from gate.checks.card import size_category
from gate.checks.card_licenses import NOBODY_KNOWS
from gate.data.frame import Kind, Split
from gate.provenance.statements import Approval, Statement, Waiver
from gate.snapshots.export_facts import ExportedFile, Facts
from gate.version import __version__

_LONGEST = 300
"""Characters of a word that people wrote."""


def dataset_card(facts: Facts, files: Sequence[ExportedFile]) -> str:
    """The page, front matter included.

    Args:
        files: those with rows; the kind with the most rows is what `load_dataset` loads when nothing is said.
    """
    return "\n".join(["---", *_front_matter(facts, files), "---", "", *_body(facts, files)]) + "\n"


def licences(facts: Facts) -> list[str]:
    """The licences that the card given for the export names, else those that the admission binds."""
    words = facts.admission.licences if facts.card is None else facts.card.words("license")
    return [word for word in words if word not in NOBODY_KNOWS]


def languages(facts: Facts) -> list[str]:
    """The same of languages."""
    words = facts.admission.languages if facts.card is None else facts.card.words("language", "languages")
    return [word for word in words if word not in NOBODY_KNOWS]


def default_kind(files: Sequence[ExportedFile]) -> Kind | None:
    """The kind with the most rows; None where there is only one, and files name none."""
    rows: dict[Kind, int] = {}
    for file in files:
        if file.kind is not None:
            rows[file.kind] = rows.get(file.kind, 0) + file.rows
    return max(rows.items(), key=lambda pair: (pair[1], pair[0]))[0] if rows else None


def _front_matter(facts: Facts, files: Sequence[ExportedFile]) -> list[str]:
    lines = [f"pretty_name: {_yaml(facts.admission.name)}"]
    if named := licences(facts):
        lines.append(f"license: {_yaml(named[0] if len(named) == 1 else named)}")
    said = {} if facts.card is None else facts.card.values
    names = [(key, said.get(key)) for key in ("license_name", "license_link")]
    lines += [f"{key}: {_yaml(value[:_LONGEST])}" for key, value in names if isinstance(value, str)]
    if named := languages(facts):
        lines.append(f"language: {_yaml(named)}")
    rows = sum(file.rows for file in files)
    lines += [f"size_categories: {_yaml([size_category(rows)])}", "configs:"]
    main = default_kind(files)
    for kind in dict.fromkeys(file.kind for file in files):
        lines.append(f"- config_name: {kind or 'default'}")
        if kind is not None and kind == main:
            lines.append("  default: true")
        lines.append("  data_files:")
        for file in files:
            if file.kind == kind:
                lines += [f"  - split: {file.split}", f"    path: {file.path}"]
    return lines


def _body(facts: Facts, files: Sequence[ExportedFile]) -> list[str]:
    admission, snapshot = facts.admission, facts.snapshot
    lines = [
        f"# {_code(admission.name)[1:-1]}",
        "",
        f"{sum(file.rows for file in files):,} examples of the approved snapshot `{snapshot.id}`, exported by gate "
        f"{__version__}. Texts are exactly as they were admitted: nothing is masked.",
        "",
        *_loading(files),
        "## Rows",
        "",
        *_splits(files),
        "",
        f"{admission.rows:,} rows were read from {_files(len(admission.sources))}: {admission.examples:,} examples and "
        f"{admission.malformed:,} that could not be read. {admission.excluded:,} examples were left out.",
        "",
    ]
    if facts.exclusions:
        lines += ["| left out by rule | examples |", "| --- | ---: |"]
        lines += [f"| {_code(rule)} | {count:,} |" for rule, count in facts.exclusions.items()]
        lines.append("")
    lines += [
        "## Admission",
        "",
        f"Policy `{admission.policy}`, {facts.rules:,} rules: {_ends(admission.rules)}.",
        "",
        *_said(facts),
        *_verifying(facts),
    ]
    return lines


def _loading(files: Sequence[ExportedFile]) -> list[str]:
    kinds: list[Kind] = [kind for kind in dict.fromkeys(file.kind for file in files) if kind is not None]
    lines = ["```python", "from datasets import load_dataset", "", 'load_dataset("path/to/this/folder")']
    main = default_kind(files)
    lines += [f'load_dataset("path/to/this/folder", "{kind}")' for kind in kinds if kind != main]
    return [*lines, "```", ""]


def _splits(files: Sequence[ExportedFile]) -> list[str]:
    lines = ["| split | kind | rows | file |", "| --- | --- | ---: | --- |"]
    if all(file.kind is None for file in files):
        lines = ["| split | rows | file |", "| --- | ---: | --- |"]
    for file in files:
        kind = "" if file.kind is None else f" {file.kind} |"
        lines.append(f"| {file.split} |{kind} {file.rows:,} | `{file.path}` |")
    return lines


def _ends(rules: dict[str, str]) -> str:
    ends: dict[str, int] = {}
    for end in rules.values():
        ends[end] = ends.get(end, 0) + 1
    return ", ".join(f"{count:,} {end}" for end, count in sorted(ends.items())) or "none applied"


def _said(facts: Facts) -> list[str]:
    """Who said what: a line for each statement that counts."""
    standing = facts.snapshot.standing
    lines = [f"- admitted by {_by(standing.admission)}"]
    for one in standing.approvals:
        note = one.about.note if isinstance(one.about, Approval) else ""
        lines.append(f"- approved by {_by(one)}" + (f": {_code(note)}" if note.strip() else ""))
    for one in standing.waivers:
        if isinstance(one.about, Waiver):
            about = one.about
            lines.append(
                f"- {_code(about.rule)} waived by {_by(one)} for {len(about.findings):,} findings until "
                f"{about.until[:10]}: {_code(about.why)}"
            )
    if facts.admission.reviews:
        lines.append(f"- {len(facts.admission.reviews):,} reviews of samples count")
    return [*lines, ""]


def _verifying(facts: Facts) -> list[str]:
    return [
        "## How to verify",
        "",
        "`gate-export.json` holds the SHA-256 of every other file here and the digests of the statements. With the "
        "store that the snapshot lies in and a trust file of your own, this checks all of it:",
        "",
        "```",
        "gate verify path/to/this/folder --store .gate --trust trust.yaml",
        "```",
    ]


def _by(one: Statement) -> str:
    return f"{_code(one.author)} on {one.made[:10]} (`{one.digest}`)"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _code(text: str) -> str:
    """Words that people wrote, as code in which nothing is markup: no backtick, no line end, no bar of a table."""
    plain = "".join(one if one.isprintable() else " " for one in text[:_LONGEST])
    return f"`{plain.replace('`', chr(39)).replace('|', '¦').strip() or ' '}`"


def _yaml(value: str | Sequence[Split] | Sequence[str]) -> str:
    """A value of the front matter: JSON, which is YAML too."""
    return orjson.dumps(value).decode()
