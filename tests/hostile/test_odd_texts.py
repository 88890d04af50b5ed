"""No text is so odd that a check crashes on it, takes for ever over it, or is let off: no rule ends errored."""

from __future__ import annotations

import json
import random
import tempfile
import time
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.admission.bind import BoundRule
from gate.admission.shards import InPlace
from gate.checks.base import FOUND, Context
from gate.data.read import read
from gate.data.views import Frames
from gate.folders import Folders
from gate.reporting.outputs import FORMATS, Output, write

CONTEXT = Context(InPlace(), Folders())
SNIPPETS = [
    "",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "\u200b",
    "\ufeff",
    "\ufffd",
    "İ",
    "ß",
    "ﬃ",
    "e\u0301\u0301",
    "👩‍👩‍👧",
    "```json\n{",
    "~~~",
    "{{x}}",
    "<b>",
    "&amp;",
    "%s",
    "\\ud83d",
    "Ã©",
    "{",
    "[",
    '"',
    "\\",
    "$^.*(?",
    "::error::x",
    "a.b@example.org",
    "+1 415 555 2671",
    "4111 1111 1111 1111",
    "10.0.0.1",
    "AKIA" + "A" * 16,
    "-----BEGIN PRIVATE KEY-----",
    "As an AI language model, I cannot",
    "שלום",
    "漢字",
    "x" * 500,
    "1" * 300,
    "lorem ipsum ",
    "true",
    "null",
    "-0.0",
]
"""What some check looks for, or some library stumbles over."""

odd = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=12), max_size=6).map("".join)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["1", "", "category", "source", "license", "split", "lang", "synthetic", "generated", "id"])
meta = st.dictionaries(keys | odd, json_values, max_size=4)
message = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": odd})


def _of(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[list[dict[str, object]]]:
    row = st.builds(lambda extra, own: {**extra, **own}, meta, st.fixed_dictionaries(fields))
    return st.lists(row, min_size=1, max_size=4)


conversation = st.lists(message, min_size=1, max_size=4)
datasets = st.one_of(
    _of(messages=conversation),
    _of(prompt=odd, completion=odd),
    _of(instruction=odd, input=odd, output=odd),
    _of(prompt=odd, chosen=odd, rejected=odd),
    _of(prompt=conversation, chosen=conversation, rejected=conversation),
    _of(prompt=odd, completion=odd, label=st.booleans()),
    _of(text=odd),
)


def frames_of(*lines: bytes) -> Frames:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        dataset = read([path], source=True)
    return Frames(dataset.examples, dataset.malformed)


def measure(rules: tuple[BoundRule, ...], frames: Frames) -> None:
    """Run every check, as on a shard; those of the dataset also on features that went through a file."""
    for bound in rules:
        seen = bound.check.run(frames, bound.params, CONTEXT)
        assert seen.findings.schema == FOUND, bound.rule.id
        assert seen.examined >= 0
        assert all(isinstance(value, float | int) and value == value for value in seen.figures.values()), bound.rule.id
        ends = seen.findings.filter(pl.col("end") < pl.col("start"))
        assert ends.is_empty(), bound.rule.id
        assert set(seen.findings["code"]) <= set(bound.check.codes), bound.rule.id
        if bound.check.features is not None:
            features = bound.check.features(frames, bound.params, CONTEXT)
            nothing = bound.check.features(
                Frames(frames.examples.clear(), frames.malformed.clear()), bound.params, CONTEXT
            )
            assert features.schema == nothing.schema, f"{bound.rule.id}: shards of other columns cannot be put together"


@pytest.fixture(scope="module")
def rules(every_rule: tuple[BoundRule, ...]) -> tuple[BoundRule, ...]:
    return every_rule


relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@settings(relaxed, max_examples=8)
@given(rows=datasets)
def test_no_check_stumbles_over_a_row(rules: tuple[BoundRule, ...], rows: list[dict[str, object]]) -> None:
    measure(rules, frames_of(*(json.dumps(row).encode() for row in rows)))


@pytest.mark.slow
@settings(relaxed, max_examples=300)
@given(rows=datasets)
def test_no_check_stumbles_over_any_of_many_rows(rules: tuple[BoundRule, ...], rows: list[dict[str, object]]) -> None:
    measure(rules, frames_of(*(json.dumps(row).encode() for row in rows)))


@pytest.mark.parametrize(
    "lines",
    [
        [b"{}"],
        [b"{broken", b'{"text": "\\ud800"}', b"\xff"],
        [b'{"text": ""}'],
        [b'{"text": "one"}'],
        [b'{"text": "one"}', b"{broken"],
        [b'{"messages": []}'],
        [b'{"prompt": "", "chosen": "", "rejected": ""}'],
        [b'{"prompt": "a", "completion": "b", "label": null}', b'{"prompt": "a", "completion": "b", "label": true}'],
    ],
    ids=lambda lines: lines[0].decode("latin-1")[:20],
)
def test_a_shard_may_hold_next_to_nothing(rules: tuple[BoundRule, ...], lines: list[bytes]) -> None:
    measure(rules, frames_of(*lines))


def test_a_shard_may_hold_nothing(rules: tuple[BoundRule, ...]) -> None:
    whole = frames_of(b'{"text": "one"}')
    measure(rules, Frames(whole.examples.clear(), whole.malformed.clear()))


LONG = {
    "one letter": "x",
    "spaces": " ",
    "line feeds": "\n",
    "fences": "```\n",
    "open tags": "<a ",
    "brackets": "[",
    "braces": "{{a",
    "addresses": "a@",
    "quotes": '"',
    "digits": "1",
    "marks": "e\u0301\u0301",
    "emoji": "😀",
    "unspaced": "漢",
    "keys": "AKIA",
    "pem": "-----BEGIN ",
    "zero width": "\u200b",
    "words": "word ",
    "lines": "line\n",
    "single letters": "a b c ",
    "json": '{"a":',
    "groups": "women are ",
    "denials": "not ",
    "links": "postgres://a:",
}
"""Texts of which some pattern could try every beginning with every end."""
SECONDS = 8.0
"""For one check on 150,000 characters: far above the tenths of a second that they take, far below what a check
takes whose time grows with the square."""


@pytest.mark.parametrize("unit", LONG.values(), ids=LONG)
def test_a_long_text_takes_no_time_that_grows_with_its_square(rules: tuple[BoundRule, ...], unit: str) -> None:
    text = (unit * 150_000)[:150_000]
    rows = [{"messages": [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": text}]}]
    frames = frames_of(*(json.dumps(row).encode() for row in rows))
    for bound in rules:
        if bound.rule.check == "expectations":
            continue  # Great Expectations sees lengths only
        begun = time.process_time()
        bound.check.run(frames, bound.params, CONTEXT)
        assert time.process_time() - begun < SECONDS, bound.rule.id


def _odd_dataset(folder: Path, seed: int, rows: int) -> None:
    """Files of every shape, in two splits, of texts with characters of every category."""
    dice = random.Random(seed)
    categories: dict[str, list[str]] = {}
    for code in [*range(0x3000), *range(0xA000, 0xD800), *range(0xE000, 0x20000, 7), *range(0xE0000, 0x110000, 97)]:
        categories.setdefault(unicodedata.category(chr(code)), []).append(chr(code))

    def text() -> str:
        pieces = (
            dice.choice(SNIPPETS) if dice.random() < 0.4 else dice.choice(categories[dice.choice(sorted(categories))])
            for _ in range(dice.randrange(40))
        )
        return "".join(pieces) if dice.random() > 0.01 else dice.choice(["x", "ab ", "𝔘"]) * 300_000

    def turn() -> dict[str, str]:
        return {"role": dice.choice(["user", "assistant", "system", "tool"]), "content": text()}

    def deep() -> object:
        depth = dice.choice([3, 100, 250])
        return json.loads("[" * depth + "]" * depth)

    def turns() -> list[dict[str, str]]:
        return [turn() for _ in range(dice.randrange(1, 5))]

    def shared() -> dict[str, str]:
        return {"from": dice.choice(["human", "gpt", "system"]), "value": text()}

    shapes: Mapping[str, Callable[[], dict[str, object]]] = {
        "messages": lambda: {"messages": turns()},
        "prompts": lambda: {"prompt": text(), "completion": text()},
        "instructions": lambda: {"instruction": text(), "input": text(), "output": text()},
        "sharegpt": lambda: {"conversations": [shared() for _ in range(3)], "tools": text()},
        "preferences": lambda: {"prompt": text(), "chosen": text(), "rejected": text()},
        "feedback": lambda: {"prompt": text(), "completion": text(), "label": dice.random() < 0.5},
        "texts": lambda: {"text": text()},
    }
    for split in ("train", "test"):
        for name, shape in shapes.items():
            lines = []
            for number in range(rows):
                row = {**shape(), "1": deep() if number % 9 == 0 else number, text()[:9] or "k": text()}
                lines.append(json.dumps(row, ensure_ascii=dice.random() < 0.5).encode())
            lines += [b"{broken", b'{"text": "\\ud800"}', b"\xff\xfe", b'{"a": 1e999}']
            path = folder / split / f"{name}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize("policy", [None, pytest.param("strict", marks=pytest.mark.slow)])
def test_every_rule_judges_every_kind_of_odd_row_and_every_report_is_written(judge, tmp_path: Path, policy) -> None:
    _odd_dataset(tmp_path / "data", seed=1, rows=12 if policy is None else 60)
    result = judge(tmp_path / "data", policy=policy)
    assert [outcome.rule.id for outcome in result.outcomes if outcome.status == "errored"] == []
    assert result.verdict == "fail"
    assert sum(file.rows for file in result.dataset.files) == sum(
        file.examples + file.malformed for file in result.dataset.files
    )
    for name in FORMATS:
        write(result, Output(name, tmp_path / f"report.{name}"))
        assert (tmp_path / f"report.{name}").stat().st_size > 0
