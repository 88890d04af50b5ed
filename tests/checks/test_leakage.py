"""Leakage: what of one split is also in another is found, and goes from where it does least harm."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gate.checks.base import Context, Measurement
from gate.checks.duplicates import representatives
from gate.checks.exact_duplicates import ExactDuplicatesParams, exact_duplicates
from gate.checks.leakage import LeakageParams, leakage
from gate.checks.near_duplicates import NearDuplicatesParams, near_duplicates
from gate.data.corpus import Corpus, Shard, rows_of
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.folders import Folders

SEARCH = {"threshold": 0.8, "shingle": 5, "permutations": 128, "recall": 0.9999}
POLICY = SEARCH | {"prompts": "warning", "minimum_words": 13}
LEVEL = {"test": 0, "validation": 1, "train": 2}
WORDS = [f"word{number}" for number in range(3000)]
CONTEXT = Context(LocalEngine(), Folders())

Row = Mapping[str, object]
"""`text`, or `prompt` with `completion` (and `label`); `split`; perhaps `id`."""


def frames_of(rows: Sequence[Row]) -> Frames:
    records: list[dict[str, object]] = []
    for number, row in enumerate(rows):
        record: dict[str, object] = dict.fromkeys(EXAMPLES)
        record |= {"id": row.get("id", f"{number:064x}"), "file": "data.jsonl", "row": number + 1}
        record |= {"split": row.get("split"), "text": row.get("text"), "label": row.get("label")}
        record["kind"] = "text" if "text" in row else "feedback" if "label" in row else "chat"
        if "prompt" in row:
            turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]
            blank = dict.fromkeys(("name", "tool_calls", "tool_call_id"))
            record["messages"] = [turn | blank for turn in turns]
        records.append(record)
    return Frames(pl.DataFrame(records, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def check(rows: Sequence[Row] | Frames, **params: object) -> Measurement:
    frames = rows if isinstance(rows, Frames) else frames_of(rows)
    return leakage.run(frames, LeakageParams.model_validate(POLICY | params), CONTEXT)


def found(measured: Measurement) -> list[tuple[object, ...]]:
    return measured.findings.select("row", "code", "group").rows()


def sentence(rng: random.Random, length: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(length))


def shingled(text: str) -> frozenset[object]:
    words = re.findall(r"\w+", text.lower())
    if len(words) < 5:
        return frozenset([" ".join(text.lower().split())] if text.strip() else [])
    return frozenset(tuple(words[at : at + 5]) for at in range(len(words) - 4))


def jaccard(left: str, right: str) -> float:
    one, other = shingled(left), shingled(right)
    return len(one & other) / len(one | other) if one and other else 0.0


# Which row goes


@pytest.mark.parametrize(
    ("splits", "dropped", "pair"),
    [
        (("train", "test"), 1, "train→test"),
        (("test", "train"), 2, "train→test"),
        (("train", "validation"), 1, "train→validation"),
        (("test", "validation"), 2, "validation→test"),
    ],
)
def test_a_copy_goes_from_the_split_that_is_learned_from(splits: tuple[str, str], dropped: int, pair: str) -> None:
    text = sentence(random.Random(0), 30)
    rows = [{"text": text.upper() if n == dropped else text, "split": s} for n, s in enumerate(splits, start=1)]
    (row,) = check(rows).findings.iter_rows(named=True)
    assert (row["row"], row["code"], row["group"], row["remedy"], row["score"]) == (
        dropped, "exact_leak", pair, "drop", 1.0,
    )  # fmt: skip
    kept = 3 - dropped
    assert row["partner"] == f"{kept - 1:064x}"
    assert row["message"] == f"Same content as data.jsonl:{kept} of the {splits[kept - 1]} split, which is kept."


def test_a_copy_in_all_three_splits_stays_in_test_alone() -> None:
    text = sentence(random.Random(1), 30)
    rows = [{"text": text, "split": split} for split in ("train", "validation", "test", "train")]
    assert found(check(rows)) == [
        (1, "exact_leak", "train→test"),
        (2, "exact_leak", "validation→test"),
        (4, "exact_leak", "train→test"),
    ]


def test_an_edited_copy_is_found_though_it_is_longer() -> None:
    text = sentence(random.Random(2), 90)
    measured = check([{"text": f"{text} and some more", "split": "train"}, {"text": text, "split": "test"}])
    (row,) = measured.findings.iter_rows(named=True)
    assert (row["row"], row["code"], row["group"], row["remedy"]) == (1, "near_leak", "train→test", "drop")
    assert row["score"] == pytest.approx(86 / 89)
    assert row["message"] == "Near-duplicate of data.jsonl:2 of the test split, which is kept (Jaccard 0.966)."


def test_copies_of_what_leaks_go_with_it() -> None:
    text = sentence(random.Random(3), 90)
    rows = [
        {"text": text, "split": "train"},
        {"text": text.upper(), "split": "train"},
        {"text": f"{text}!", "split": "train"},
        {"text": f"{text} again", "split": "test"},
        {"text": f"{text} AGAIN", "split": "test"},
    ]
    measured = check(rows)
    assert found(measured) == [(row, "near_leak", "train→test") for row in (1, 2, 3)]
    assert measured.findings["partner"].unique().to_list() == [f"{3:064x}"]


def test_copies_within_a_split_are_the_business_of_others() -> None:
    text = sentence(random.Random(4), 60)
    rows = [{"text": t, "split": s} for t in (text, text, f"{text} so") for s in ("train",)]
    assert check([*rows, {"text": "Other.", "split": "test"}]).findings.is_empty()


def test_a_row_that_goes_takes_no_other_with_it() -> None:
    words = sentence(random.Random(5), 120).split()
    train, validation, test = (" ".join(words[at : at + 100]) for at in (0, 8, 16))
    assert jaccard(train, validation) >= 0.8 > jaccard(train, test)
    rows = [
        {"text": train, "split": "train"},
        {"text": validation, "split": "validation"},
        {"text": test, "split": "test"},
    ]
    assert found(check(rows)) == [(2, "near_leak", "validation→test")]


# Prompts


TEN = "Ten minutes, unless the bridge is open, and then it waits for the ships to pass."
TWENTY = "It needs twenty of them, since the line goes round the hill and stops at every corner."


def ask(split: str, answer: str, prompt: str | None = None) -> Row:
    question = "How many minutes does the tram take from the old harbour to the new town hall today?"
    return {"prompt": prompt or question, "completion": answer, "split": split}


def test_a_prompt_with_another_answer_is_told_apart() -> None:
    measured = check([ask("train", TEN), ask("test", TWENTY), ask("train", TWENTY.upper())])
    assert measured.findings.select("row", "code", "severity", "remedy").rows() == [
        (1, "prompt_leak", "warning", "review"),
        (3, "exact_leak", None, "drop"),
    ]
    assert measured.findings["message"][0] == "Same prompt as data.jsonl:2 of the test split."


def test_opposite_labels_on_one_answer_are_a_repeated_prompt() -> None:
    rows = [{**ask("train", TEN), "label": True}, {**ask("test", TEN), "label": False}]
    assert found(check(rows)) == [(1, "prompt_leak", "train→test")]


@pytest.mark.parametrize(("prompts", "severities"), [("warning", ["warning"]), ("info", ["info"]), ("ignore", [])])
def test_the_policy_says_what_a_repeated_prompt_is(prompts: str, severities: list[str]) -> None:
    measured = check([ask("train", TEN), ask("test", TWENTY)], prompts=prompts)
    assert measured.findings["severity"].to_list() == severities
    assert measured.figures["prompt_leaks"] == 1


@pytest.mark.parametrize(
    ("prompt", "found_at"),
    [("Summarise this text.", 3), ("你是谁？请告诉我你的名字", 12), ("one two three four five six seven", 7)],
)
def test_short_prompts_may_come_again(prompt: str, found_at: int) -> None:
    rows = [ask("train", TEN, prompt), ask("test", TWENTY, prompt)]
    assert check(rows, minimum_words=found_at).findings.height == 1
    assert check(rows, minimum_words=found_at + 1).findings.is_empty()


# What is not compared


@pytest.mark.parametrize(
    ("splits", "said"),
    [((None, None), "no row says which split"), (("train", None), "only the train split"), ((), "no row says")],
)
def test_without_two_splits_it_is_said_that_nothing_was_compared(splits: tuple[str | None, ...], said: str) -> None:
    measured = check([{"text": "One text that is here twice.", "split": split} for split in splits])
    assert measured.findings.is_empty()
    assert measured.skipped is not None
    assert said in measured.skipped


def test_rows_without_a_split_are_left_out_and_not_counted() -> None:
    text = sentence(random.Random(6), 40)
    rows = [{"text": text}, {"text": text, "split": "test"}, {"text": text}, {"text": f"{text} so", "split": "train"}]
    measured = check(rows)
    assert measured.findings["score"].to_list() == [pytest.approx(36 / 37)]
    assert found(measured) == [(4, "near_leak", "train→test")]
    assert measured.examined == 2


def test_blank_rows_are_compared_with_nothing_but_blank_rows() -> None:
    rows = [{"text": " ", "split": "train"}, {"text": "Some text.", "split": "test"}, {"text": "?", "split": "train"}]
    assert check(rows).findings.is_empty()


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"prompts": "error"}, {"minimum_words": -1}, {"recall": 1}])
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LeakageParams.model_validate(POLICY | wrong)


# Beside the other checks


def planted(rng: random.Random, rows: int) -> list[Row]:
    """Rows of three splits, a third of them edited copies of others of any split."""
    made: list[Row] = []
    for number in range(rows):
        text = sentence(rng, rng.randint(3, 60))
        if made and rng.random() < 0.5:
            words = str(rng.choice(made)["text"]).split()
            for _ in range(rng.randint(0, 3)):
                at = rng.randrange(len(words))
                words[at : at + rng.randint(0, 1)] = [rng.choice(WORDS)]
            text = " ".join(words)
        identity = f"{rng.getrandbits(256):064x}"
        made.append({"text": text, "split": rng.choice(list(LEVEL)), "id": identity, "number": number})
    return made


@pytest.mark.parametrize("seed", range(6))
def test_against_brute_force_every_leak_is_found_and_none_besides(seed: int) -> None:
    rows = planted(random.Random(seed), 150)
    texts = [str(row["text"]) for row in rows]
    level = [LEVEL[str(row["split"])] for row in rows]
    # A row of validation that is like one of test goes; a row of train that is like one of those that stay.
    gone: set[int] = set()
    for here in (1, 2):
        gone |= {
            at
            for at, text in enumerate(texts)
            if level[at] == here
            and any(
                level[other] < here and other not in gone and jaccard(text, texts[other]) >= 0.8
                for other in range(len(rows))
            )
        }
    findings = check(rows).findings
    assert len(gone) >= 8
    assert set(findings["row"]) == {at + 1 for at in gone}
    at_id = {str(row["id"]): at for at, row in enumerate(rows)}
    for row, partner, score in findings.select("row", "partner", "score").rows():
        kept = at_id[partner]
        assert kept not in gone
        assert level[kept] < level[row - 1]
        assert score == pytest.approx(jaccard(texts[row - 1], texts[kept]))


@pytest.mark.parametrize("seed", range(4))
def test_no_check_drops_the_last_copy(seed: int) -> None:
    """After all that the three checks propose, every copy that went has its like among the rows that stay."""
    rows = planted(random.Random(100 + seed), 120)
    frames = frames_of(rows)
    exact = exact_duplicates.run(frames, ExactDuplicatesParams(), CONTEXT).findings
    near = near_duplicates.run(frames, NearDuplicatesParams.model_validate(SEARCH), CONTEXT).findings
    leaked = check(frames).findings
    assert {"leakage"} <= {*exact_duplicates.yields_to} & {*near_duplicates.yields_to}
    exact = exact.join(leaked, on="row", how="anti")
    near = near.join(pl.concat([leaked, exact]), on="row", how="anti")
    proposed = pl.concat([leaked, exact, near])
    assert proposed["row"].is_unique().all()
    gone = {row - 1 for row in proposed["row"]}
    stay = [at for at in range(len(rows)) if at not in gone]
    texts = [str(row["text"]) for row in rows]
    for at in {row - 1 for row in pl.concat([exact, near])["row"]}:
        assert any(jaccard(texts[at], texts[other]) >= 0.8 for other in stay)
    copies: dict[str, list[int]] = {}
    for at, text in enumerate(texts):
        copies.setdefault(text, []).append(at)
    for same in copies.values():
        if len(same) > 1 and set(same) <= gone:
            assert any(jaccard(texts[same[0]], texts[other]) >= 0.8 for other in stay)


def test_templated_rows_are_judged_pair_by_pair_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(8)
    head, tail = sentence(rng, 30), sentence(rng, 30)
    rows = [
        {"text": f"{head} {sentence(rng, rng.randint(1, 6))} {tail}", "split": rng.choice(list(LEVEL))}
        for _ in range(300)
    ]
    crowded = found(check(rows))
    monkeypatch.setattr(representatives, "CROWDED", 10_000)
    assert crowded == found(check(rows))
    assert len(crowded) > 50


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abcd"), min_size=1, max_size=9).map(" ".join),
            st.sampled_from([None, *LEVEL]),
        ),
        max_size=16,
    )
)
def test_small_datasets_leak_exactly_what_brute_force_says(rows: list[tuple[str, str | None]]) -> None:
    measured = check([{"text": text, "split": split} for text, split in rows])
    gone = {row - 1 for row in measured.findings["row"]}
    for at, (text, split) in enumerate(rows):
        likes = [
            other
            for other, (that, where) in enumerate(rows)
            if split and where and LEVEL[where] < LEVEL[split] and jaccard(text, that) >= 0.8
        ]
        assert (at in gone) == any(other not in gone for other in likes)


def test_rows_come_by_shards_from_disk_as_from_memory(tmp_path: Path) -> None:
    rows = planted(random.Random(9), 160)
    for number in range(40, 80):
        rows[number] = {**rows[number], "split": None}  # a shard without any
    frames = frames_of(rows)
    parts = [frames.examples[start : start + 40] for start in range(0, 160, 40)]
    params = LeakageParams.model_validate(POLICY)
    features = []
    for number, part in enumerate(parts):
        part.write_ipc(tmp_path / f"{number}.arrow")
        seen = Frames(part, frames.malformed)
        leakage.features(seen, params, CONTEXT).write_ipc(tmp_path / f"features-{number}.arrow")  # type: ignore[misc]
        features.append(pl.scan_ipc(tmp_path / f"features-{number}.arrow"))

    def shard(number: int) -> Shard:
        return Shard(40, lambda columns: pl.read_ipc(tmp_path / f"{number}.arrow", columns=list(columns or EXAMPLES)))

    corpus = Corpus(rows_of(frames.examples), pl.concat(features), tuple(map(shard, range(4))), frames.malformed)
    measured = leakage.function(corpus, params, CONTEXT)
    assert measured.findings.height >= 5
    assert measured.findings.equals(check(frames).findings)


# Real data


def test_grade_school_maths_does_not_leak(shared_data: Path) -> None:
    dataset = read([shared_data / "gsm8k"])
    measured = check(Frames(dataset.examples, dataset.malformed))
    assert measured.examined == 8792
    assert measured.findings.is_empty()


def test_planted_test_questions_are_found_in_the_train_split(shared_data: Path) -> None:
    examples = read([shared_data / "gsm8k"]).examples
    rng = random.Random(10)
    test = examples.filter(pl.col("split") == "test").sample(120, seed=1)
    changed: list[dict[str, object]] = []
    for number, row in enumerate(test.iter_rows(named=True)):
        asked, answer = row["messages"]
        words = str(asked["content"]).split()
        if number % 4 == 0:
            words = " ".join(words).upper().split()
        elif number % 4 == 1:
            words[rng.randrange(len(words))] = "nearly"
        elif number % 4 == 2:
            words = [*words, "Think", "step", "by", "step."]
        else:
            words = words[:-1]
        text = " ".join(words)
        row |= {"messages": [asked | {"content": text}, answer], "split": "train", "file": "planted.jsonl"}
        changed.append(row | {"row": number + 1, "id": f"{number:064x}"})
    everything = pl.concat([examples, pl.DataFrame(changed, schema=EXAMPLES)])
    found = check(Frames(everything, pl.DataFrame(schema=MALFORMED))).findings
    assert set(found["file"]) == {"planted.jsonl"}

    def text_of(messages: list[dict[str, object]]) -> str:
        return " ".join(str(message["content"]) for message in messages)

    expected = {
        number + 1
        for number, (row, old) in enumerate(zip(changed, test.iter_rows(named=True), strict=True))
        if jaccard(text_of(row["messages"]), text_of(old["messages"])) >= 0.8  # type: ignore[arg-type]
    }
    assert len(expected) > 100
    by_content = set(found.filter(pl.col("code") != "prompt_leak")["row"])
    assert by_content == expected
    # Upper case hides nothing: those are exact, and where the edit is too much for the index, it is said by nothing.
    assert {row for row in range(1, 121) if row % 4 == 1} == set(found.filter(pl.col("code") == "exact_leak")["row"])
