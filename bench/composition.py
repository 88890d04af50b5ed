"""The straightforward composition that a user would write instead of gate, run as a process of its own.

`json.loads` line by line; Python word 5-grams, datasketch's `MinHash.bulk` and `MinHashLSH` with every candidate
listed; Presidio's `AnalyzerEngine` text by text; Great Expectations on pandas. It imports nothing of gate. Its
clock stops before the candidates are verified, which only the comparison needs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # packages and suites without types

WORD = re.compile(r"\w+")
SHINGLE, PERMUTATIONS = 5, 128


@dataclass(slots=True)
class Example:
    """One row, as far as the checks need it."""

    file: str
    row: int
    kind: str
    prompt: str | None
    response: str | None
    full: str
    texts: list[str]
    turns: int
    label: object = None
    answers: tuple[str, ...] = ()
    """The chosen and the rejected answer of a preference."""


def main() -> None:
    """Read, find duplicates, find personal data, run the suites; write the findings and the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--entities", required=True, help="JSON: entity to lowest score")
    parser.add_argument("--allow", default="{}", help="JSON: entity to patterns of values that may stay")
    parser.add_argument("--suites", type=Path, required=True, help="folder of <kind>.json")
    parser.add_argument("--bands", type=int, default=25)
    parser.add_argument("--rows-per-band", type=int, default=5)
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    import psutil  # type: ignore[import-untyped]

    # From the start of the process, so that imports count as they do for a user.
    started = psutil.Process().create_time()
    seconds: dict[str, float] = {"start": time.time() - started}

    def lap(name: str) -> None:
        seconds[name] = time.time() - started - sum(seconds.values())

    examples = list(read(arguments.data))
    lap("read")
    sets, candidates = duplicates(examples, (arguments.bands, arguments.rows_per_band))
    lap("duplicates")
    found = personal_data(examples, json.loads(arguments.entities), json.loads(arguments.allow))
    lap("pii")
    unexpected = expectations(examples, arguments.suites)
    lap("expectations")
    total, processor = sum(seconds.values()), time.process_time()

    pairs = [pair for pair in candidates if _alike(examples, sets, pair, arguments.threshold)]
    places = [
        [examples[one].file, examples[one].row, examples[other].file, examples[other].row] for one, other in pairs
    ]
    result = {
        "rows": len(examples),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "total": round(total, 3),
        "cpu": round(processor, 3),
        "candidates": len(candidates),
        "pairs": places,
        "pii": found,
        "unexpected": unexpected,
    }
    arguments.out.write_text(json.dumps(result), encoding="utf-8")


def read(folder: Path) -> Iterator[Example]:
    """Every row of every JSONL and JSON file, in canonical form."""
    for path in sorted(folder.rglob("*.json*")):
        text = path.read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
        for number, record in enumerate(rows, start=1):
            yield example(path.relative_to(folder).as_posix(), number, record)


def example(file: str, row: int, record: dict[str, object]) -> Example:
    """One record of any of the shapes that the benchmark's data has."""
    rest = dict(record)

    def take(*names: str) -> object:
        return next((rest.pop(name) for name in names if name in rest), None)

    label = take("label")
    spoken = take("messages", "conversations")
    turns = [(_of(turn, "role", "from"), _of(turn, "content", "value")) for turn in spoken] if spoken else []  # type: ignore[attr-defined]
    chosen, rejected = (_said(take(name)) for name in ("chosen", "rejected"))
    extra = [_text(take("tools")), _text(take("system"))]
    if chosen is not None:
        asked = _text(take("prompt"))
        prompt = "\n".join([content for _, content in turns] if turns else [asked])
        texts = [*([content for _, content in turns] or [asked]), chosen, rejected or ""]
        made = Example(file, row, "preference", prompt, chosen, "\n".join(texts), texts, len(turns) or 1)
        made.answers = (chosen, rejected or "")
    elif turns:
        contents = [content for _, content in turns]
        kind = "chat" if label is None else "feedback"
        prompt, response = "\n".join(contents[:-1]), contents[-1]
        made = Example(file, row, kind, prompt, response, "\n".join(contents), contents, len(turns), label)
    elif "text" in rest:
        text = _text(take("text"))
        made = Example(file, row, "text", None, None, text, [text], 0)
    else:
        asked, answer = _text(take("instruction", "question", "prompt")), _text(take("output", "answer", "completion"))
        given = _text(take("input"))
        prompt = f"{asked}\n\n{given}" if given.strip() else asked
        kind = "chat" if label is None else "feedback"
        made = Example(file, row, kind, prompt, answer, f"{prompt}\n{answer}", [prompt, answer], 2, label)
    made.texts = [text for text in [*made.texts, *extra, *_strings(rest)] if text]
    return made


def _of(turn: dict[str, object], *names: str) -> str:
    return next((_text(turn[name]) for name in names if name in turn), "")


def _said(value: object) -> str | None:
    if isinstance(value, list):
        return "\n".join(_of(turn, "content", "value") for turn in value)
    return _of(value, "content", "value") if isinstance(value, dict) else (None if value is None else str(value))


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def duplicates(examples: list[Example], bands: tuple[int, int]) -> tuple[list[set[bytes]], list[tuple[int, int]]]:
    """Word 5-grams of every row, and every pair that shares a band of MinHash."""
    from datasketch import MinHash, MinHashLSH

    sets = [shingles(example) for example in examples]
    index = MinHashLSH(num_perm=PERMUTATIONS, params=bands)
    candidates: list[tuple[int, int]] = []
    for number, signature in enumerate(MinHash.bulk(sets, num_perm=PERMUTATIONS)):
        candidates += [(earlier, number) for earlier in index.query(signature)]
        index.insert(number, signature)
    return sets, candidates


def shingles(example: Example) -> set[bytes]:
    """Word 5-grams of the folded text; the whole text where it is shorter. A word in the chosen or the rejected
    answer is another word than in the prompt, so that swapped answers are other content, as for gate."""
    parts = (example.prompt or "", *example.answers) if example.answers else (example.full,)
    words = [mark + word for mark, text in zip(("", "+", "-"), parts, strict=False) for word in _words(text)]
    if len(words) < SHINGLE:
        return {" ".join(words).encode()}
    return {" ".join(words[at : at + SHINGLE]).encode() for at in range(len(words) - SHINGLE + 1)}


def _words(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFC", text).casefold())


def _alike(examples: list[Example], sets: list[set[bytes]], pair: tuple[int, int], threshold: float) -> bool:
    """Whether a candidate is one: rows of another kind or label never are."""
    one, other = (examples[at] for at in pair)
    if (one.kind, one.label) != (other.kind, other.label):
        return False
    shared = len(sets[pair[0]] & sets[pair[1]])
    return shared >= threshold * (len(sets[pair[0]]) + len(sets[pair[1]]) - shared)


def personal_data(examples: list[Example], lowest: dict[str, float], allow: dict[str, list[str]]) -> list[list[object]]:
    """Presidio on every text: file, row and entity of each finding."""
    import logging

    import spacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from tldextract import TLDExtract, tldextract

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    tldextract.TLD_EXTRACTOR = TLDExtract(suffix_list_urls=())  # its own list, no network

    @spacy.Language.component("text_as_lemma")  # type: ignore[untyped-decorator]
    def text_as_lemma(doc: spacy.tokens.Doc) -> spacy.tokens.Doc:
        for token in doc:
            token.lemma_ = token.text
        return doc

    class Blank(SpacyNlpEngine):  # type: ignore[misc]  # the package has no types
        """A tokenizer without a model, as gate's default engine; words near a finding count as they are written."""

        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}
            self.nlp["en"].add_pipe("text_as_lemma")

    analyzer = AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])
    entities = list(lowest)
    allowed = {name: re.compile("|".join(f"(?:{pattern})" for pattern in listed)) for name, listed in allow.items()}

    def may_stay(entity: str, value: str) -> bool:
        return entity in allowed and allowed[entity].fullmatch(value) is not None

    return [
        [example.file, example.row, result.entity_type]
        for example in examples
        for text in example.texts
        for result in analyzer.analyze(text, language="en", entities=entities)
        if result.score >= lowest[result.entity_type]
        and not may_stay(result.entity_type, text[result.start : result.end])
    ]


def expectations(examples: list[Example], suites: Path) -> dict[str, int]:
    """Great Expectations' suite of each kind on a pandas frame: unexpected rows by kind and expectation."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    import pandas as pd

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    found: dict[str, int] = {}
    for kind in sorted({example.kind for example in examples}):
        suite = gx.ExpectationSuite(name=kind)
        for each in json.loads((suites / f"{kind}.json").read_text(encoding="utf-8"))["expectations"]:
            suite.add_expectation(_expectation(gx, each))
        frame = pd.DataFrame([_columns(example) for example in examples if example.kind == kind])
        batch = (
            context.data_sources.add_pandas(kind).add_dataframe_asset(kind).add_batch_definition_whole_dataframe(kind)
        )
        result = batch.get_batch({"dataframe": frame}).validate(suite, result_format="COMPLETE")
        for one in result.results:
            count = int(one.result.get("unexpected_count") or 0)
            found[f"{kind} {one.expectation_config.type}"] = count
    return found


def _expectation(gx: Any, each: dict[str, Any]) -> object:
    name = "".join(part.capitalize() for part in str(each["type"]).split("_"))
    return getattr(gx.expectations, name)(**each["kwargs"])


_SLOT = re.compile(r"\{\{\s*\w+\s*\}\}")


def _columns(example: Example) -> dict[str, object]:
    """The columns that the suites name."""
    response = example.response or ""
    return {
        "label": example.label,
        "prompt_chars": len(example.prompt or ""),
        "response_chars": len(response),
        "full_chars": len(example.full),
        "text_chars": len(example.full),
        "chosen_chars": len(response),
        "rejected_chars": len(example.texts[-1]) if example.texts else 0,
        "turns": example.turns,
        "unfilled_slots": 0 if re.search("[`<]", response) else len(_SLOT.findall(response)),
    }


if __name__ == "__main__":
    main()
