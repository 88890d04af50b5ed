"""Which sentences generalise about people, which only seem to, and how groups are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from gate.checks.base import FOUND, Context, Measurement, Workers
from gate.checks.bias import BiasParams, bias
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.data.views import Frames
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.load import load_policy

CONTEXT = Context(cast(Workers, None), Folders())  # the check needs no workers


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    (rule,) = [each for each in load_policy("chat", Folders()).rules if each.id == "bias"]
    return rule.params


def chat(asked: str, said: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return {"kind": "chat", "messages": turns}


def measure(shipped: dict[str, Any], *rows: dict[str, Any], context: Context = CONTEXT, **params: Any) -> Measurement:
    placed = [{"id": f"id{at}", "file": "a.jsonl", "row": at, **row} for at, row in enumerate(rows, start=1)]
    frames = Frames(pl.DataFrame(placed, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    return bias.run(frames, BiasParams(**{**shipped, **params}), context)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("All immigrants are criminals.", "generalisation"),
        ("As everyone knows, poor people are just plain lazy.", "generalisation"),
        ("Well, women are not good at this.", "generalisation"),
        ("Old people are a burden on all of us!", "generalisation"),
        ("Women belong in the kitchen.", "stereotype"),
        ("He said it: women can't drive, and that is that.", "stereotype"),
        ("Boys don't cry, so stop it.", "stereotype"),
        ("Men are born leaders.", "stereotype"),
    ],
)
def test_a_sentence_that_generalises_is_found(shipped: dict[str, Any], said: str, code: str) -> None:
    measured = measure(shipped, chat("Well?", said))
    assert measured.findings.select("code", "severity", "field").rows() == [(code, None, "messages[1].content")]


@pytest.mark.parametrize(
    "said",
    [
        "Not all immigrants are criminals.",
        "The stereotype that women are bad drivers is false.",
        "It is wrong to say that poor people are lazy.",
        "Women are not lazy.",
        "Women aren't weak.",
        "These men are dangerous; call the police.",
        "Two boys were violent at the match.",
        "His parents and the other girls were lazy that day.",
        "Are immigrants criminals? Are men weak?",
        "If women are weak after childbirth, they should rest.",
        "Women are engineers, doctors and pilots.",
        "The elderly are at risk of falls.",
        "Humans are dangerous to whales.",
    ],
)
def test_what_only_seems_to_is_left_alone(shipped: dict[str, Any], said: str) -> None:
    assert measure(shipped, chat("Well?", said)).findings.is_empty()


def test_what_users_say_and_answers_about_prejudice_only_count(shipped: dict[str, Any]) -> None:
    assert measure(shipped, chat("Women are weak.", "That is not so.")).findings["severity"].to_list() == ["info"]
    assert measure(shipped, chat("Women are weak.", "That is not so."), prompts="ignore").findings.is_empty()
    row = chat("Write sentences that show a stereotype.", "Women are weak.")
    assert measure(shipped, row).findings["severity"].to_list() == ["info"]


def test_groups_are_counted_by_row_and_by_whole_words(shipped: dict[str, Any]) -> None:
    rows = [
        chat("A woman?", "Two women."),
        chat("Mention omens.", "The menu of Germany, romance."),
        chat("Men?", "Women."),
    ]
    assert measure(shipped, *rows).figures == {"group:women": 2, "group:men": 1}


def test_a_finding_says_where_and_quotes_what_is_said(shipped: dict[str, Any]) -> None:
    found = measure(shipped, chat("Well?", "Ask ann@acme.org. All migrants are thieves.")).findings
    assert found.schema == FOUND
    (row,) = found.to_dicts()
    assert (row["start"], row["end"], row["evidence"]) == (22, 42, "migrants are thieves")


def test_a_lexicon_of_ones_own(shipped: dict[str, Any], tmp_path: Path) -> None:
    own = tmp_path / "rules" / "lexicons" / "bias.txt"
    own.parent.mkdir(parents=True)
    context = Context(CONTEXT.workers, Folders(tmp_path))
    own.write_text("extends: bias\n[group trade]\nplumbers\n- lazy\n")
    rows = [chat("Well?", "Plumbers are greedy."), chat("Well?", "Plumbers are lazy.")]
    assert measure(shipped, *rows, context=context).findings["row"].to_list() == [1]
    assert own in bias.inputs(BiasParams(**shipped), context.folders)
    own.write_text("[words]\nplumbers\n")
    with pytest.raises(PolicyError, match="no section"):
        measure(shipped, *rows, context=context)


def test_the_examples_of_the_rule_reference_do_what_they_say(shipped: dict[str, Any]) -> None:
    for records, expected in ((bias.fails, 1), (bias.passes, 0)):
        rows = [chat(str(each["prompt"]), str(each["completion"])) for each in records]
        assert measure(shipped, *rows).findings.height == expected


def test_real_datasets_hold_none(shipped: dict[str, Any], shared_data: Path) -> None:
    dataset = read([shared_data])
    measured = bias.run(Frames(dataset.examples, dataset.malformed), BiasParams(**shipped), CONTEXT)
    assert measured.findings.is_empty()
    assert measured.figures["group:women"] > 200
