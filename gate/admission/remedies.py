"""What can be done about findings without asking a person: which rows go, and which texts are written anew.

A row goes where a finding says `drop`. Personal data and secrets (`redact`, with a span) give way to a placeholder that
says what stood there, through presidio-anonymizer. What the check `encoding` finds is mended by its own repair.
Everything else is for a person to decide, and so is a file that is damaged as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import orjson
import polars as pl

from gate.admission.result import RuleOutcome
from gate.checks.encoding_repair import repaired
from gate.data.convert import Example
from gate.data.export import Changes
from gate.data.strings import text_of

if TYPE_CHECKING:
    from presidio_anonymizer import AnonymizerEngine

ENCODING = "encoding"
"""The check whose findings with remedy `fix` are mended; others of that remedy are a person's."""

Action = str
ACTIONS = ("dropped", "redacted", "mended")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of a text that must not stay, half open, and what they are."""

    start: int
    end: int
    code: str
    score: float


@dataclass(slots=True)
class TextEdits:
    """What is to be done to one text of an example: redactions first, then the mending of its encoding."""

    spans: list[Span] = field(default_factory=list)
    mend: bool = False
    """Put right what `encoding` finds."""

    def apply(self, text: str, offset: int = 0) -> str:
        """A text with everything done to it.

        Args:
            text: the field's text, or a part of it that begins at `offset` of it.
        """
        inside = [
            Span(max(0, span.start - offset), min(len(text), span.end - offset), span.code, span.score)
            for span in self.spans
            if span.start < offset + len(text) and span.end > offset
        ]
        text = redacted(text, inside) if inside else text
        return repaired(text) if self.mend else text


@dataclass(slots=True)
class RowEdits:
    """What is to be done to one row; called with the record's texts, it says which of them change, and into what."""

    fields: dict[str, TextEdits] = field(default_factory=dict)
    unplaced: set[str] = field(default_factory=set)
    """Fields whose text was not found in the record."""

    def __call__(self, example: Example, strings: Sequence[str]) -> Mapping[str, str]:
        new: dict[str, str] = {}
        for name, edits in self.fields.items():
            text = text_of(example, name)
            changed = {} if text is None else _placed(text, edits, strings)
            if not changed:
                self.unplaced.add(name)
            for old, replacement in changed.items():
                # Two fields may share a text; what either finding asks for is done.
                new[old] = replacement if old not in new else edits.apply(new[old]) if not edits.spans else replacement
        return new


def _placed(text: str, edits: TextEdits, strings: Sequence[str]) -> dict[str, str]:
    """The new value of each of a record's texts in which a field's text lies, or which lie in it.

    A field is a text of the record as it stands; or a part of one (a transcript); or made of several (an instruction
    and its input); or the JSON of an object with texts (tool calls).
    """
    if text in strings:
        candidates = {text: edits.apply(text)}
    elif holders := [each for each in strings if text in each]:
        candidates = {each: each.replace(text, edits.apply(text)) for each in holders}
    else:
        parts = {each: text.find(each) for each in strings if each and each in text}
        candidates = {each: edits.apply(each, start) for each, start in parts.items()}
    changed = {old: new for old, new in candidates.items() if new != old}
    if edits.mend and not changed:  # inside JSON, where characters may be written as escapes
        changed = {each: mended for each in strings if (mended := repaired(each)) != each}
    if edits.spans and not _all_gone(text, edits, changed):
        changed |= _by_value(text, edits, strings, changed)
    return changed


def _all_gone(text: str, edits: TextEdits, changed: Mapping[str, str]) -> bool:
    values = {text[span.start : span.end] for span in edits.spans}
    return bool(changed) and all(any(value in old for old in changed) for value in values)


def _by_value(text: str, edits: TextEdits, strings: Sequence[str], changed: Mapping[str, str]) -> dict[str, str]:
    """Replacement wherever a value stands in the record, for texts that do not stand in it as one."""
    found = dict[str, str]()
    for span in sorted(edits.spans, key=lambda span: span.start - span.end):
        value = text[span.start : span.end]
        for written in {value, _unescaped(value)}:
            for each in strings:
                before = found.get(each, changed.get(each, each))
                if written and written in before:
                    found[each] = before.replace(written, placeholder(span.code))
    return found


def _unescaped(value: str) -> str:
    """What a piece of JSON says; itself where it is no piece of a JSON string."""
    try:
        return str(orjson.loads(f'"{value}"'))
    except orjson.JSONDecodeError:
        return value


def placeholder(code: str) -> str:
    """What is put in the place of a value, as presidio-anonymizer writes it."""
    return f"<{code.upper()}>"


def redacted(text: str, spans: Sequence[Span]) -> str:
    """The text with a placeholder for each span; overlapping spans are joined as presidio-anonymizer does."""
    from presidio_anonymizer.entities import RecognizerResult

    results = [RecognizerResult(span.code.upper(), span.start, span.end, span.score) for span in spans]
    return str(_anonymizer().anonymize(text, results).text)


@cache
def _anonymizer() -> AnonymizerEngine:
    from presidio_anonymizer import AnonymizerEngine

    return AnonymizerEngine()  # type: ignore[no-untyped-call]  # its constructor carries no annotations


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to a dataset."""

    files: Mapping[str, Changes]
    acted: pl.DataFrame
    """The findings behind it, with a column `action` (one of `ACTIONS`)."""
    left: pl.DataFrame
    """The findings that are for a person, `info` aside."""


def plan(findings: pl.DataFrame, outcomes: Sequence[RuleOutcome]) -> Plan:
    """What can be done about some findings.

    Args:
        findings: schema `FINDINGS`; those of severity `info` ask for nothing.
        outcomes: of the rules behind them.
    """
    encodings = [outcome.rule.id for outcome in outcomes if outcome.rule.check == ENCODING]
    counted = findings.filter(pl.col("severity") != "info")
    whole = counted.filter(pl.col("file").is_not_null(), pl.col("row").is_null())["file"].unique()
    spanned = pl.all_horizontal(pl.col("field", "start", "end").is_not_null())
    action = (
        pl.when(pl.col("row").is_null() | pl.col("file").is_in(whole.implode()))
        .then(None)
        .when(pl.col("remedy") == "drop")
        .then(pl.lit("dropped"))
        .when((pl.col("remedy") == "redact") & spanned)
        .then(pl.lit("redacted"))
        .when((pl.col("remedy") == "fix") & pl.col("rule").is_in(encodings) & pl.col("field").is_not_null())
        .then(pl.lit("mended"))
    )
    judged = counted.with_columns(action=action)
    acted = judged.filter(pl.col("action").is_not_null())
    files = {str(part["file"][0]): _changes(part) for part in acted.partition_by("file", maintain_order=True)}
    return Plan(files, acted, judged.filter(pl.col("action").is_null()).drop("action"))


def _changes(findings: pl.DataFrame) -> Changes:
    """Of one file."""
    drop = frozenset(findings.filter(pl.col("action") == "dropped")["row"].to_list())
    texts = findings.filter(pl.col("action") != "dropped", ~pl.col("row").is_in(list(drop)))
    rewrite: dict[int, RowEdits] = {}
    ids: dict[int, str] = {}
    columns = texts.select("row", "id", "field", "start", "end", "code", "score", "action")
    # A loop over findings in texts, each of which is an edit of its own anyway (≈ 1 µs each).
    for row, content, name, start, end, code, score, action in columns.iter_rows():
        edits = rewrite.setdefault(row, RowEdits()).fields.setdefault(name, TextEdits())
        ids[row] = content
        if action == "redacted":
            edits.spans.append(Span(start, end, code, score or 0.0))
        else:
            edits.mend = True
    return Changes(drop, rewrite, ids)
