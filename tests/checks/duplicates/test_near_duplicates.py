"""Near-duplicates: similar to what is kept, found wherever they are, judged alike in any order."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gate.checks.base import Context, Measurement
from gate.checks.duplicates.candidate_sets import sets_of_texts
from gate.checks.duplicates.content import compared_text
from gate.checks.duplicates.fold import fold
from gate.checks.duplicates.near import NearDuplicates, find_near_duplicates
from gate.checks.duplicates.signatures import banding
from gate.checks.duplicates.sketches import sketched
from gate.checks.near_duplicates import NearDuplicatesParams, near_duplicates
from gate.data.views import Frames

FRAMES = Callable[..., Frames]
POLICY = {"threshold": 0.8, "shingle": 5, "permutations": 128, "recall": 0.9999}
WORDS = [f"word{number}" for number in range(3000)]


def check(frames: Frames, context: Context, **params: object) -> Measurement:
    return near_duplicates.run(frames, NearDuplicatesParams.model_validate(POLICY | params), context)


def find(texts: list[str], threshold: float = 0.8, shingle: int = 5, ranks: list[int] | None = None) -> NearDuplicates:
    """With an order of keeping that is that of the list, unless it is given."""
    order = np.arange(len(texts)) if ranks is None else np.array(ranks)
    cut = banding(256, threshold, 0.9999)
    groups = np.zeros(len(texts), dtype=np.int64)
    folded = fold(pl.Series(texts, dtype=pl.String), signs=True)
    sketches = sketched(folded, groups, shingle, cut).lazy()
    return find_near_duplicates(
        sketches,
        sets_of_texts(lambda rows: [folded.gather(rows)], shingle),
        order,
        groups,
        threshold=threshold,
        cut=cut,
    )


def shingled(text: str, size: int = 5) -> frozenset[object]:
    """The definition, in plain Python, for texts of unaccented words."""
    words = re.findall(r"\w+", text.lower())
    if len(words) < size:
        whole = " ".join(text.lower().split())
        return frozenset([whole] if whole else [])
    return frozenset(tuple(words[at : at + size]) for at in range(len(words) - size + 1))


def jaccard(left: frozenset[object], right: frozenset[object]) -> float:
    return len(left & right) / len(left | right) if left and right else 0.0


def greedy(texts: list[str], threshold: float, size: int) -> list[int]:
    """What is kept, by brute force, when the order of keeping is that of the list."""
    sets = [shingled(text, size) for text in texts]
    kept: list[int] = []
    for index, one in enumerate(sets):
        if all(jaccard(one, sets[other]) < threshold for other in kept):
            kept.append(index)
    return kept


def sentence(rng: random.Random, length: int) -> list[str]:
    return [rng.choice(WORDS) for _ in range(length)]


# What is the same and what is not


def test_one_changed_word_in_a_long_text_is_found_and_the_longer_row_is_kept(frames: FRAMES, context: Context) -> None:
    words = sentence(random.Random(1), 100)
    measured = check(frames([{"text": " ".join(words)}, {"text": " ".join([*words, "and", "more"])}]), context)
    (row,) = measured.findings.iter_rows(named=True)
    assert (row["row"], row["remedy"], row["code"]) == (1, "drop", "near_duplicate")
    assert row["score"] == pytest.approx(96 / 98)
    assert row["message"] == "Near-duplicate of data.jsonl:2, which is kept (Jaccard 0.979)."
    assert measured.examined == 2


def test_copies_are_found_as_well_with_a_score_of_one(frames: FRAMES, context: Context) -> None:
    text = " ".join(sentence(random.Random(2), 30))
    found = check(frames([{"text": text}, {"text": text.upper()}, {"text": text + " !"}]), context).findings
    assert found.height == 2
    assert found["score"].to_list() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("left", "right"),
    [("Yes.", "No."), ("Yes.", "Yes!"), ("2 + 2", "2 - 2"), ("...", "?!"), ("x < 3", "x > 3"), ("x²", "x³")],
)
def test_short_texts_that_differ_are_not_duplicates(frames: FRAMES, context: Context, left: str, right: str) -> None:
    assert check(frames([{"text": left}, {"text": right}]), context).findings.is_empty()


@pytest.mark.parametrize(
    ("left", "right"), [("Yes.", " yes. "), ("...", "..."), ("ÄPFEL", "a\u0308pfel"), ("ΟΔΟΣ", "οδος")]
)
def test_short_texts_that_are_the_same_once_folded_are_duplicates(
    frames: FRAMES, context: Context, left: str, right: str
) -> None:
    assert check(frames([{"text": left}, {"text": right}]), context).findings.height == 1


def test_short_texts_are_never_fetched() -> None:
    def refuse(rows: np.ndarray) -> list[pl.Series]:
        assert not rows.size
        return []

    cut, groups = banding(128, 0.8, 0.9999), np.zeros(500, dtype=np.int64)
    sketches = sketched(pl.Series([f"answer {number}" for number in range(500)]), groups, 5, cut).lazy()
    found = find_near_duplicates(sketches, sets_of_texts(refuse, 5), np.arange(500), groups, threshold=0.8, cut=cut)
    assert (found.compared, found.dropped.size) == (500, 0)


def test_empty_and_blank_texts_are_compared_with_nothing(frames: FRAMES, context: Context) -> None:
    measured = check(frames([{"text": ""}, {"text": ""}, {"text": " \n\t"}, {"text": "\u3000"}]), context)
    assert measured.findings.is_empty()
    assert measured.examined == 0
    assert measured.skipped


def test_no_rows_at_all_is_said_and_not_passed_over(frames: FRAMES, context: Context) -> None:
    assert check(frames([]), context).skipped


@pytest.mark.parametrize(
    "text",
    [
        "春天来了，花园里的樱花都开了，孩子们在树下奔跑玩耍，老人们坐在长椅上晒太阳。",
        "きょうはとてもいいてんきなので、こうえんまでさんぽにいきました。たのしかったです。",
        "วันนี้อากาศดีมากเราจึงไปเดินเล่นที่สวนสาธารณะใกล้บ้านและกินข้าวเที่ยงด้วยกันที่นั่น",
    ],
)
def test_scripts_without_spaces_are_compared_by_characters(frames: FRAMES, context: Context, text: str) -> None:
    other = "".join(reversed(text))
    found = check(frames([{"text": text}, {"text": text + text[0]}, {"text": other}]), context).findings
    assert found["row"].to_list() == [1]
    assert 0.8 <= found["score"][0] < 1


def test_kinds_and_labels_keep_rows_apart(frames: FRAMES, context: Context) -> None:
    prompt, answer = "Tell me a story about a ship.", " ".join(sentence(random.Random(3), 40))
    rows = [
        {"prompt": prompt, "completion": answer},
        {"prompt": prompt, "completion": answer, "label": True},
        {"prompt": prompt, "completion": answer, "label": False},
        {"text": f"{prompt} {answer}"},
    ]
    assert check(frames(rows), context).findings.is_empty()


def test_a_preference_turned_round_is_not_a_duplicate(frames: FRAMES, context: Context) -> None:
    rng = random.Random(4)
    good, bad = " ".join(sentence(rng, 50)), " ".join(sentence(rng, 50))
    rows = [
        {"prompt": "Why?", "chosen": good, "rejected": bad},
        {"prompt": "Why?", "chosen": bad, "rejected": good},
        {"prompt": "Why?", "chosen": good, "rejected": bad + " indeed"},
    ]
    assert check(frames(rows), context).findings["row"].to_list() == [1]


@pytest.mark.parametrize(("key", "dropped"), [("full", []), ("prompt", [1]), ("response", [4])])
def test_the_key_says_what_is_compared(frames: FRAMES, context: Context, key: str, dropped: list[int]) -> None:
    rng = random.Random(5)
    texts = [" ".join(sentence(rng, 60)) for _ in range(6)]
    rows = [
        {"prompt": texts[0], "completion": texts[1]},
        {"prompt": texts[0] + " please", "completion": texts[2] + " " + texts[3]},
        {"prompt": texts[3] + " " + texts[2], "completion": texts[4]},
        {"prompt": texts[5], "completion": texts[4] + " so"},
        {"text": texts[0]},
    ]
    found = check(frames(rows), context, key=key).findings["row"].to_list()
    if key == "response":
        # Of rows 3 and 4 the longer as a whole is kept.
        assert found == dropped or found == [3]
        assert len(found) == 1
    else:
        assert found == dropped


def test_short_turns_are_told_apart(frames: FRAMES, context: Context) -> None:
    def row(asked: str, answer: str) -> dict[str, object]:
        return {"prompt": asked, "completion": answer}

    rows = [row("a b", "c"), row("a", "b c"), row(" A ", " b  c")]
    assert check(frames(rows), context).findings.height == 1


def test_tool_calls_are_content(frames: FRAMES, context: Context) -> None:
    def asking(city: str) -> dict[str, object]:
        call = f'[{{"name": "weather", "arguments": {{"city": "{city}"}}}}]'
        return {
            "messages": [
                {"role": "user", "content": "What is it like there?"},
                {"role": "assistant", "content": None, "tool_calls": call},
            ]
        }

    rows = frames([asking("Paris"), asking("Lima"), asking("Lima")])
    assert check(rows, context, key="response").findings.height == 1


def test_a_near_copy_between_two_copies_is_found() -> None:
    words = sentence(random.Random(8), 100)
    text, other = " ".join(words), " ".join(words[2:])
    assert find([text, other, text]).keeper.tolist() == [0, 0, 0]
    assert find([other, text, other]).keeper.tolist() == [0, 0, 0]


# Order


def test_of_a_chain_only_what_is_like_a_kept_row_goes() -> None:
    words = sentence(random.Random(6), 120)
    a, b, c = words[:100], words[8:108], words[16:116]
    result = find([" ".join(text) for text in (a, b, c)])
    sets = [shingled(" ".join(text)) for text in (a, b, c)]
    assert jaccard(sets[0], sets[1]) >= 0.8 > jaccard(sets[0], sets[2])
    assert result.keeper.tolist() == [0, 0, 2]
    assert result.cluster.tolist() == [0, 0, 0]


def test_neither_the_order_of_rows_nor_of_files_changes_what_is_kept(frames: FRAMES, context: Context) -> None:
    rng = random.Random(7)
    rows = []
    for _ in range(40):
        words = sentence(rng, 90)
        for _ in range(rng.randint(1, 5)):
            changed = list(words)
            for _ in range(rng.randint(0, 2)):
                changed[rng.randrange(90)] = rng.choice(WORDS)
            rows.append({"text": " ".join(changed[rng.randint(0, 3) :])})

    def pairs(order: list[int], files: list[str]) -> list[tuple[object, ...]]:
        found = check(frames([rows[at] for at in order], files), context).findings
        return sorted(found.select("id", "partner", "score", "group").iter_rows())

    order = list(range(len(rows)))
    expected = pairs(order, ["a.jsonl"] * len(rows))
    assert len(expected) > 30
    for seed in range(3):
        random.Random(seed).shuffle(order)
        assert pairs(order, [rng.choice(["a.jsonl", "b.jsonl", "z.jsonl"]) for _ in order]) == expected


# Against brute force


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=14).map(" ".join), min_size=1, max_size=30),
    st.sampled_from([0.3, 0.5, 0.8, 1.0]),
    st.sampled_from([1, 2, 3]),
)
def test_small_corpora_are_judged_as_by_brute_force(texts: list[str], threshold: float, size: int) -> None:
    result = find(texts, threshold, size)
    kept = [row for row in range(len(texts)) if result.keeper[row] == row]
    assert kept == greedy(texts, threshold, size)
    for row in result.dropped:
        score = jaccard(shingled(texts[row], size), shingled(texts[result.keeper[row]], size))
        assert result.keeper[row] in kept
        assert result.score[row] == pytest.approx(score)
        assert score >= threshold


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(150))
def test_edited_copies_of_many_seeds_are_judged_as_by_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    texts = [sentence(rng, rng.randint(3, 60)) for _ in range(60)]
    for _ in range(140):
        copy = list(rng.choice(texts))
        for _ in range(rng.randint(0, 3)):
            copy.insert(rng.randint(0, len(copy)), rng.choice(WORDS))
        texts.append(copy)
    rng.shuffle(texts)
    written = [" ".join(words) for words in texts]
    result = find(written)
    assert [row for row in range(len(written)) if result.keeper[row] == row] == greedy(written, 0.8, 5)


@pytest.mark.parametrize("length", [20, 50, 200, 2000])
def test_one_word_put_anywhere_is_found_when_its_jaccard_says_so(length: int) -> None:
    words = sentence(random.Random(length), length)
    places = sorted({*range(0, length, max(1, length // 60)), *range(6), *range(length - 5, length + 1)})
    texts = [" ".join(words)] + [" ".join([*words[:at], "inserted", *words[at:]]) for at in places]
    for at in range(1, len(texts)):
        pair = [texts[0], texts[at]]
        expected = jaccard(*(shingled(text) for text in pair)) >= 0.8
        assert (find(pair).dropped.size == 1) == expected, f"at word {places[at - 1]}"
    if length >= 50:
        assert find(texts).dropped.size == len(places)


def test_real_rows_are_judged_as_the_oracle_does(real: dict[str, Frames], context: Context) -> None:
    from SetSimilaritySearch import all_pairs

    frames = real["all"]
    # The oracle is slow: of grade-school maths it sees the test part only.
    files = frames.examples["file"]
    english = frames.examples["kind"].is_in(["text", "chat"]) & ~files.is_in(["identity.json", "gsm8k/train.jsonl"])
    plain = frames.full.str.len_bytes() == frames.full.str.len_chars()
    some = Frames(frames.examples.filter(english & plain), frames.malformed)
    texts = compared_text(some, "full").to_list()
    groups = some.examples["kind"].to_list()
    sets = [shingled(text) for text in texts]
    pairs = [(a, b) for a, b, _ in all_pairs(sets, similarity_threshold=0.8) if groups[a] == groups[b]]
    assert len(pairs) >= 10
    places = {key: at for at, key in enumerate(some.examples.select("file", "row").iter_rows())}
    found = check(some, context).findings
    dropped = {
        places[key]: partner
        for key, partner in zip(found.select("file", "row").iter_rows(), found["partner"], strict=True)
    }
    at_id = some.examples["id"].to_list()
    assert all(a in dropped or b in dropped for a, b in pairs)
    for row, partner in dropped.items():
        keepers = [at for at, one in enumerate(at_id) if one == partner and at not in dropped]
        assert max(jaccard(sets[row], sets[at]) for at in keepers) >= 0.8


def test_real_rows_of_every_file_lose_only_what_is_like_a_kept_row(real: dict[str, Frames], context: Context) -> None:
    dropped = {name: check(frames, context).findings.height for name, frames in real.items()}
    assert dropped == {
        "alpaca_en_demo.json": 14,
        "identity.json": 1,
        "dpo_en_demo.json": 5,
        "kto_en_demo.json": 0,
        "glaive_toolcall_en_demo.json": 40,
        "c4_demo.jsonl": 0,
        "gsm8k/train.jsonl": 0,
        "gsm8k/test.jsonl": 0,
        "all": 60,
    }


# Templated rows: every row of one template is in the same buckets


def templated(count: int, fixed: int, own: int, spread: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    template = sentence(rng, fixed)
    return [
        " ".join(template[: fixed // 2] + sentence(rng, own + rng.randint(-spread, spread)) + template[fixed // 2 :])
        for _ in range(count)
    ]


@pytest.mark.parametrize(("fixed", "own", "spread"), [(100, 3, 0), (60, 3, 0), (64, 3, 2), (60, 10, 0), (30, 1, 1)])
def test_templated_rows_are_judged_as_by_brute_force(fixed: int, own: int, spread: int) -> None:
    texts = sorted(templated(400, fixed, own, spread), key=len, reverse=True)
    result = find(texts)
    kept = [row for row in range(len(texts)) if result.keeper[row] == row]
    assert kept == greedy(texts, 0.8, 5)


@pytest.mark.parametrize(("fixed", "own", "spread"), [(100, 3, 0), (64, 3, 2), (60, 20, 0)])
def test_ten_thousand_templated_rows_take_seconds(fixed: int, own: int, spread: int) -> None:
    texts = templated(10_000, fixed, own, spread)
    start = time.process_time()
    find(texts)
    assert time.process_time() - start < 20  # all pairs would take minutes


# Parameters


def test_bands_are_chosen_for_the_recall() -> None:
    cut = banding(128, 0.8, 0.9999)
    assert (cut.bands, cut.rows) == (25, 5)
    assert cut.recall(0.8) == pytest.approx(1 - (1 - 0.8**5) ** 25)
    for threshold in (0.3, 0.5, 0.7, 0.9, 0.95, 1.0):
        assert banding(128, threshold, 0.9999).recall(threshold) >= 0.9999


def test_a_recall_that_cannot_be_reached_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValidationError, match="raise permutations"):
        NearDuplicatesParams.model_validate(POLICY | {"threshold": 0.05})


@pytest.mark.parametrize("wrong", [{"threshold": 7}, {"threshold": 0}, {"shingle": 0}, {"recall": 1.0}, {"key": "id"}])
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NearDuplicatesParams.model_validate(POLICY | wrong)


def test_its_examples_fail_and_pass(frames: FRAMES, context: Context) -> None:
    def rows(records: object) -> Frames:
        return frames({"prompt": r["instruction"], "completion": r["output"]} for r in records)  # type: ignore[attr-defined]

    assert check(rows(near_duplicates.fails), context).findings.height == 1
    assert check(rows(near_duplicates.passes), context).findings.is_empty()


def test_no_text_of_the_data_is_in_a_finding(frames: FRAMES, context: Context) -> None:
    words = [*sentence(random.Random(9), 60), "jane.doe@corp.example"]
    found = check(frames([{"text": " ".join(words)}, {"text": " ".join([*words, "x"])}]), context).findings
    assert found.height == 1
    assert "jane" not in found.write_ndjson()
