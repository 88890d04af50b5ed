"""Splits: what belongs together stays together, what the data says is kept, and the same examples are divided alike."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from gate.checks.base import Context
from gate.checks.leakage import LeakageParams, leakage
from gate.data.corpus import Corpus, Shard, rows_of
from gate.data.frame import EXAMPLES, MALFORMED, SPLITS
from gate.data.ids import identify
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.load import load_policy
from gate.policy.snapshot_rules import Ratios, SnapshotRules, SplitRules, load_snapshot_rules
from gate.snapshots.draw import Drawn, Examples
from gate.snapshots.split import Assigned, assign, splitting_demands
from gate.snapshots.strata import strata_of

CONTEXT = Context(LocalEngine(), Folders())
(DEMAND,) = splitting_demands([], Folders())
LEAKS = DEMAND.params
assert isinstance(LEAKS, LeakageParams)
WORDS = [f"word{number}" for number in range(3000)]

Row = Mapping[str, object]
"""`text`, or `prompt` with `completion` (and `label`); perhaps `split` and `meta`."""


def rules(
    minimum: int = 0,
    seed: int = 0,
    stratify: str | None = None,
    held_out: tuple[float, float] = (0.1, 0.1),
    train: int = 0,
) -> SnapshotRules:
    shares = {"train": 1 - sum(held_out), "validation": held_out[0], "test": held_out[1]}
    least = {"train": train, "validation": minimum, "test": minimum}
    return SnapshotRules(SplitRules(seed, (Ratios(1, shares),), least, stratify))  # type: ignore[arg-type]


def frames_of(rows: Sequence[Row], file: str = "data.jsonl") -> Frames:
    records: list[dict[str, object]] = []
    for number, row in enumerate(rows):
        record: dict[str, object] = dict.fromkeys(EXAMPLES)
        record |= {"file": file, "row": number + 1, "text": row.get("text"), "label": row.get("label")}
        record["split"] = row.get("split")
        record["kind"] = kind = "text" if "text" in row else "feedback" if "label" in row else "chat"
        messages = None
        if "prompt" in row:
            messages = [("user", row["prompt"], None, None, None), ("assistant", row["completion"], None, None, None)]
            names = ("role", "content", "name", "tool_calls", "tool_call_id")
            record["messages"] = [dict(zip(names, message, strict=True)) for message in messages]
        record["meta"] = orjson.dumps(row["meta"]).decode() if "meta" in row else None
        record["id"], record["record_id"] = identify(
            kind, messages, label=record["label"], text=record["text"], meta=record["meta"]  # type: ignore[arg-type]
        )  # fmt: skip
        records.append(record)
    return Frames(pl.DataFrame(records, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def corpus_of(rows: Sequence[Row] | Frames, params: LeakageParams = LEAKS) -> Corpus:
    frames = rows if isinstance(rows, Frames) else frames_of(rows)
    assert leakage.features is not None
    return Corpus.of(frames, leakage.features(frames, params, CONTEXT))


def divide(rows: Sequence[Row] | Corpus, demanded: SnapshotRules, admitted: Sequence[bool] | None = None) -> Assigned:
    corpus = rows if isinstance(rows, Corpus) else corpus_of(rows)
    chosen = np.ones(corpus.rows.height, dtype=bool) if admitted is None else np.array(admitted)
    return assign(corpus, chosen, demanded, LEAKS, CONTEXT, strata_of(corpus, demanded.split))


def sentence(rng: random.Random, length: int = 20) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(length))


def texts(number: int, seed: int = 0) -> list[Row]:
    rng = random.Random(seed)
    return [{"text": sentence(rng)} for _ in range(number)]


def leaks(corpus: Corpus, assigned: Assigned, params: LeakageParams = LEAKS) -> pl.DataFrame:
    """What the leakage check finds among the admitted rows, all of them."""
    split = corpus.rows.with_columns(split=assigned.splits)
    return leakage.function(replace(corpus, rows=split), params, CONTEXT).findings


def edited(text: str, rng: random.Random, edits: int = 1) -> str:
    words = text.split()
    for _ in range(edits):
        words[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(words)


# How many


@pytest.mark.parametrize("number", [0, 1, 2, 3, 10, 99, 1000])
def test_counts_close_and_meet_the_ratios_exactly_where_nothing_belongs_together(number: int) -> None:
    assigned = divide(texts(number), rules())
    assert assigned.splits.len() == assigned.reasons.len() == assigned.clusters.len() == number
    held = int(number * 0.1 + 0.5)
    assert assigned.counts == {"train": number - 2 * held, "validation": held, "test": held}
    assert {split: int((assigned.splits == split).sum()) for split in SPLITS} == assigned.counts
    assert assigned.table["examples"].sum() == number
    assert not assigned.notes


def test_the_shipped_rules_hold_at_least_100_out_of_each() -> None:
    shipped = load_snapshot_rules(Folders())
    assert divide(texts(400), shipped).counts == {"train": 200, "validation": 100, "test": 100}
    assert divide(texts(300), shipped).counts == {"train": 100, "validation": 100, "test": 100}
    assert divide(texts(1000), shipped).counts == {"train": 700, "validation": 150, "test": 150}


def test_too_few_examples_are_refused_with_what_to_do() -> None:
    with pytest.raises(PolicyError) as error:
        divide(texts(299), load_snapshot_rules(Folders()))
    assert "299 admitted examples cannot be divided into 100 for train, 100 for validation, 100 for test" in str(
        error.value
    )
    assert error.value.where is not None
    assert error.value.where.startswith("rules/snapshot.yaml:")
    assert "bring your own splits" in str(error.value.remedy)
    assert "word" not in str(error.value)


def test_the_rule_that_a_refusal_proposes_would_do(tmp_path: Path) -> None:
    corpus = corpus_of(texts(200))
    with pytest.raises(PolicyError) as error:
        divide(corpus, load_snapshot_rules(Folders()))
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "snapshot.yaml").write_text(str(error.value.remedy).split("`")[-2])
    assigned = divide(corpus, load_snapshot_rules(Folders(tmp_path)))
    assert assigned.counts == {"train": 140, "validation": 30, "test": 30}


def test_a_copy_counts_for_every_time_it_is_there() -> None:
    rows = texts(50)
    assigned = divide([*rows, *rows], rules())
    assert sum(assigned.counts.values()) == 100
    assert assigned.splits[:50].to_list() == assigned.splits[50:].to_list()
    assert abs(assigned.counts["test"] - 10) <= 1


def test_only_what_is_admitted_is_divided_and_decides() -> None:
    rows = texts(60)
    admitted = [number % 3 != 0 for number in range(60)]
    among_others = divide(rows, rules(), admitted)
    alone = divide([row for row, is_in in zip(rows, admitted, strict=True) if is_in], rules())
    assert among_others.splits.to_list() == alone.splits.to_list()


# What stays together


def test_copies_near_copies_and_chains_of_them_stay_together() -> None:
    rng = random.Random(1)
    rows: list[Row] = []
    for _ in range(30):
        words = sentence(rng, 120).split()
        rows += [{"text": " ".join(words[at : at + 100])} for at in (0, 8, 16)]  # the ends are not alike
        rows.append({"text": str(rows[-1]["text"]).upper() + "\n"})
    assigned = divide(rows, rules())
    by_chain = [set(assigned.splits[at : at + 4]) for at in range(0, len(rows), 4)]
    assert all(len(splits) == 1 for splits in by_chain)
    assert assigned.clusters.n_unique() == 30
    assert assigned.counts == {"train": 96, "validation": 12, "test": 12}
    assert leaks(corpus_of(rows), assigned).is_empty()


def test_a_crowd_of_templated_rows_stays_together_though_not_all_of_it_is_alike() -> None:
    """More rows in one bucket than are looked at pair by pair, the ends of which have little in common."""
    rng = random.Random(2)
    words = sentence(rng, 400).split()
    rows: list[Row] = [{"text": " ".join(words[at : at + 100])} for at in range(0, 300, 2)]
    rows += texts(600, seed=3)
    assigned = divide(rows, rules())
    assert assigned.clusters[:150].n_unique() == 1
    assert set(assigned.splits[:150]) == {"train"}
    assert leaks(corpus_of(rows), assigned).is_empty()


def test_one_prompt_with_many_answers_stays_together() -> None:
    rng = random.Random(4)
    prompts = [sentence(rng, 15) for _ in range(40)]
    rows: list[Row] = [{"prompt": prompt, "completion": sentence(rng, 30)} for prompt in prompts for _ in range(3)]
    assigned = divide(rows, rules())
    assert all(len(set(assigned.splits[at : at + 3])) == 1 for at in range(0, 120, 3))
    assert assigned.counts == {"train": 96, "validation": 12, "test": 12}


def test_opposite_labels_on_one_answer_stay_together() -> None:
    rng = random.Random(5)
    pairs = [(sentence(rng, 15), sentence(rng, 15)) for _ in range(50)]
    rows = [{"prompt": p, "completion": c, "label": label} for p, c in pairs for label in (True, False)]
    assigned = divide(rows, rules())
    assert all(left == right for left, right in zip(assigned.splits[::2], assigned.splits[1::2], strict=True))


def test_a_short_prompt_ties_nothing() -> None:
    rng = random.Random(6)
    rows = [{"prompt": "Summarise this text.", "completion": sentence(rng, 30)} for _ in range(100)]
    assigned = divide(rows, rules())
    assert assigned.clusters.n_unique() == 100
    assert assigned.counts == {"train": 80, "validation": 10, "test": 10}


def test_a_prompt_never_straddles_even_where_the_rule_ignores_prompts() -> None:
    rng = random.Random(7)
    prompts = [sentence(rng, 15) for _ in range(50)]
    corpus = corpus_of([{"prompt": prompt, "completion": sentence(rng)} for prompt in prompts for _ in (1, 2)])
    ignoring = LEAKS.model_copy(update={"prompts": "ignore"})
    assigned = assign(corpus, np.ones(100, dtype=bool), rules(), ignoring, CONTEXT)
    assert leaks(corpus, assigned).is_empty()
    assert assigned.clusters.n_unique() == 50


def test_a_cluster_larger_than_a_split_is_trained_on_and_told() -> None:
    rng = random.Random(8)
    crowd = sentence(rng, 60)
    rows: list[Row] = [{"text": crowd + "!" * number} for number in range(30)]
    assigned = divide([*rows, *texts(170)], rules(minimum=10))
    assert set(assigned.splits[:30]) == {"train"}
    assert set(assigned.reasons[:30]) == {"too_large"}
    assert assigned.counts == {"train": 160, "validation": 20, "test": 20}
    assert [(note.code, note.message) for note in assigned.notes] == [
        ("too_large", "1 cluster of 30 examples is larger than a split that is held out, and trained on.")
    ]


def test_one_cluster_alone_cannot_be_split() -> None:
    rows = [{"text": "the same again and again"}] * 500
    with pytest.raises(PolicyError, match="500 admitted examples, in 1 cluster of what belongs together, cannot"):
        divide(rows, rules(minimum=10))


def test_the_leakage_check_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the search for clusters misses, here everything, the check over the result finds, and it is put together."""
    monkeypatch.setattr("gate.snapshots.split.clusters", lambda likenesses: np.arange(likenesses[0].admitted.size))
    rng = random.Random(16)
    rows = texts(100, seed=17)
    rows += [{"text": str(row["text"]) + " so"} for row in rows[:20]]
    rows += [{"text": str(row["text"]).upper()} for row in rows[:100]]
    prompts = [sentence(rng, 15) for _ in range(50)]
    rows += [{"prompt": prompt, "completion": sentence(rng)} for prompt in prompts for _ in (1, 2)]
    corpus = corpus_of(rng.sample(rows, len(rows)))
    ignoring = LEAKS.model_copy(update={"prompts": "ignore"})
    assigned = assign(corpus, np.ones(corpus.rows.height, dtype=bool), rules(), ignoring, CONTEXT)
    assert leaks(corpus, assigned).is_empty()
    assert abs(assigned.counts["test"] - 32) <= 1


def test_a_division_that_parts_a_cluster_is_never_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def parted(examples: Examples, cluster: np.ndarray, demanded: SplitRules) -> Drawn:
        half = np.arange(examples.size) % 2
        return Drawn(half, np.ones_like(half), np.array([]), 0, 0)

    monkeypatch.setattr("gate.snapshots.split.draw", parted)
    with pytest.raises(RuntimeError, match="one cluster"):
        divide([{"text": "the same again and again"}] * 4, rules())


def test_every_leakage_rule_is_heard() -> None:
    """Two of them, of which one looks at shorter shingles and finds what the other does not."""
    rng = random.Random(9)
    first = [sentence(rng, 40) for _ in range(50)]
    frames = frames_of([{"text": text} for text in first] + [{"text": edited(text, rng, 2)} for text in first])
    loose = LEAKS.model_copy(update={"threshold": 0.4, "shingle": 2})
    corpus, other = corpus_of(frames), corpus_of(frames, loose)
    every = np.ones(100, dtype=bool)
    alone = assign(corpus, every, rules(), LEAKS, CONTEXT)
    both = assign(corpus, every, rules(), LEAKS, CONTEXT, also=[(other.features, loose)])
    assert not leaks(other, alone, loose).is_empty()
    assert leaks(other, both, loose).is_empty()
    assert leaks(corpus, both).is_empty()


# The same examples, the same splits


def by_id(corpus: Corpus, assigned: Assigned) -> dict[str, str]:
    return dict(zip(corpus.rows["id"], assigned.splits, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_neither_files_nor_the_order_of_rows_decide(seed: int) -> None:
    rng = random.Random(seed)
    rows = texts(150, seed)
    rows += [{"text": edited(str(row["text"]), rng)} for row in rng.sample(rows, 50)] + rows[:20]
    one = corpus_of(rows)
    shuffled = rng.sample(rows, len(rows))
    parts = [frames_of(shuffled[at : at + 60], f"z{at}.jsonl") for at in range(0, len(rows), 60)]
    assert leakage.features is not None
    other = Corpus(
        rows=pl.concat([rows_of(part.examples) for part in parts]),
        features=pl.concat([leakage.features(part, LEAKS, CONTEXT) for part in parts]).lazy(),
        shards=tuple(
            Shard(part.examples.height, lambda columns, part=part: part.examples.select(columns or pl.all()))
            for part in parts
        ),
        malformed=pl.DataFrame(schema=MALFORMED),
    ).marked(pl.Series([rng.random() < 0.5 for _ in rows]))  # nor what a base has
    assert by_id(one, divide(one, rules())) == by_id(other, divide(other, rules()))


def test_another_seed_is_another_division() -> None:
    corpus = corpus_of(texts(500))
    tested = [set(by_id(corpus, divide(corpus, rules(seed=seed))).items()) for seed in range(4)]
    assert all(len(one & other) < 450 for one, other in pairwise(tested))


def test_the_division_is_pinned() -> None:
    """Whoever changes it changes the ids of everybody's snapshots: only with a new major version."""
    assigned = divide(texts(40), rules(held_out=(0.25, 0.25)))
    assert "".join(split[:2] for split in assigned.splits) == (
        "trtrtevatrvavavatrtetevatrtrvatrtrtetrvatetrtetrtrtrtrvatetetrvatrtrtetetrtrvatr"
    )


def test_more_examples_move_few_of_the_old_ones() -> None:
    rows = texts(2000)
    before, after = divide(corpus_of(rows[:1980]), rules()), divide(corpus_of(rows), rules())
    moved = (before.splits != after.splits[:1980]).sum()
    assert moved <= 12  # the square root of 20 new ones at each of two cuts, and some
    back = (before.splits == "train") & (after.splits[:1980] == "test")
    assert not back.any()


# Splits that the data brings


def test_splits_of_the_data_are_kept_as_they_are() -> None:
    rows = [{**row, "split": "test" if number < 5 else "train"} for number, row in enumerate(texts(50))]
    assigned = divide(rows, rules(minimum=10))
    assert assigned.counts == {"train": 45, "validation": 0, "test": 5}
    assert assigned.splits.to_list() == [row["split"] for row in rows]
    assert set(assigned.reasons) == {"given"}
    assert [(note.code, note.message[:24]) for note in assigned.notes] == [
        ("no_split", "The validation split has"),
        ("too_few", "The test split has 5 exa"),
    ]


def test_splits_of_the_data_need_no_features() -> None:
    rows = [{**row, "split": "train"} for row in texts(5)]
    corpus = replace(corpus_of(rows), features=pl.LazyFrame())
    assert divide(corpus, rules()).counts["train"] == 5


def test_what_has_no_split_fills_up_what_is_short() -> None:
    rows = [{**row, "split": "test"} for row in texts(20)] + texts(180, seed=1)
    assigned = divide(rows, rules(minimum=20))
    assert assigned.counts == {"train": 160, "validation": 20, "test": 20}
    assert set(assigned.splits[:20]) == {"test"}
    assert [note.code for note in assigned.notes] == ["mixed"]


def test_what_is_like_a_row_with_a_split_goes_there() -> None:
    rng = random.Random(10)
    given = [{**row, "split": SPLITS[number % 3]} for number, row in enumerate(texts(60))]
    rows = [*given, *({"text": str(row["text"]) + " so"} for row in given), *texts(100, seed=11)]
    rng.shuffle(rows)
    corpus = corpus_of(rows)
    assigned = divide(corpus, rules())
    assert leaks(corpus, assigned).is_empty()
    assert (assigned.reasons == "joined").sum() == 60
    assert (assigned.reasons == "given").sum() == 60


def test_a_leak_of_the_data_is_left_to_the_leakage_rule() -> None:
    text = sentence(random.Random(12), 60)
    rows: list[Row] = [{"text": text, "split": "train"}, {"text": text, "split": "test"}, {"text": text}, *texts(20)]
    assigned = divide(rows, rules())
    assert assigned.splits[:3].to_list() == ["train", "test", "test"]
    assert "given_apart" in [note.code for note in assigned.notes]


def test_a_few_without_a_split_are_no_reason_to_refuse() -> None:
    rows = [{**row, "split": "train"} for row in texts(30)] + texts(4, seed=1)
    assigned = divide(rows, rules(minimum=100, train=100))
    assert sum(assigned.counts.values()) == 34
    assert {note.code for note in assigned.notes} == {"mixed", "no_split", "too_few"}
    assert set(assigned.splits) == {"train"}


# Strata


def classes(sizes: Mapping[str, int]) -> list[Row]:
    rng = random.Random(13)
    rows = [{"text": sentence(rng), "meta": {"topic": name}} for name, number in sizes.items() for _ in range(number)]
    return rng.sample(rows, len(rows))


def test_every_stratum_is_divided_in_the_ratios_of_the_whole() -> None:
    rows = classes({"rain": 700, "snow": 250, "hail": 50})
    assigned = divide(rows, rules(stratify="topic"))
    assert assigned.counts == {"train": 800, "validation": 100, "test": 100}
    counted = {
        (name, split): number for name, split, number in assigned.table.select("stratum", "split", "examples").rows()
    }
    assert len(counted) == 9
    for name, size in (("`rain`", 700), ("`snow`", 250), ("`hail`", 50)):
        for split in ("validation", "test"):
            assert abs(counted[name, split] - size / 10) <= 1
    assert not assigned.notes


def test_small_strata_are_told_and_still_drawn_from() -> None:
    rows = classes({"rain": 600, **{f"kind{number}": 2 for number in range(50)}})
    rows += [{"text": "nothing is said of the weather here"}]
    assigned = divide(rows, rules(stratify="topic"))
    assert assigned.counts == {"train": 561, "validation": 70, "test": 70}
    (note,) = assigned.notes
    assert (note.code, note.message) == (
        "small_strata",
        "51 of 52 values of `topic` have too few examples to be in every split.",
    )
    small = assigned.table.filter(pl.col("stratum") == "51 small ones")
    assert small["examples"].sum() == 101
    tested = dict(small.select("split", "examples").iter_rows())
    assert 3 <= tested["test"] <= 20


def test_labels_are_strata_too() -> None:
    rng = random.Random(14)
    rows: list[Row] = [
        {"prompt": sentence(rng, 14), "completion": sentence(rng, 9), "label": number % 5 == 0} for number in range(200)
    ]
    table = divide(rows, rules(stratify="label")).table
    assert sorted(set(table["stratum"])) == ["`false`", "`true`"]
    assert table.filter(pl.col("split") == "test")["examples"].to_list() == [16, 4]


def test_a_cluster_of_several_strata_goes_by_its_first_example() -> None:
    rng = random.Random(15)
    rows: list[Row] = []
    for number in range(100):
        text = sentence(rng, 30)
        rows += [{"text": text, "meta": {"topic": "rain"}}, {"text": f"{text}!", "meta": {"topic": "snow"}}]
        rows += [{"text": text, "meta": {"topic": f"{number % 2}"}}]
    one, other = corpus_of(rows), corpus_of(rng.sample(rows, len(rows)))
    demanded = rules(stratify="topic")
    assigned = divide(one, demanded)
    assert by_id(one, assigned) == by_id(other, divide(other, demanded))
    assert leaks(one, assigned).is_empty()
    assert "split_strata" in [note.code for note in assigned.notes]


def test_a_stratum_that_may_be_a_person_is_not_shown() -> None:
    rows = classes({"Ana Ruiz <ana@example.org>": 100, "rain": 100})
    assigned = divide(rows, rules(stratify="topic"))
    assert set(assigned.table["stratum"]) == {"`rain`", "one value (not shown)"}
    assert "Ruiz" not in str(assigned.notes)


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(PolicyError, match="no row has the column 'topic'"):
        divide(texts(10), rules(stratify="topic"))


# What is asked of a run before


def test_the_search_is_that_of_the_leakage_rule_for_rows_of_every_kind() -> None:
    (rule,) = (rule for rule in load_policy("base", Folders()).rules if rule.check == "leakage")
    assert LEAKS.model_dump() == rule.params | {"unsplit": True}
    assert DEMAND.kinds is None
    assert not DEMAND.of_rows


def test_features_of_the_leakage_rule_itself_are_not_enough() -> None:
    frames = frames_of([{**texts(1)[0], "split": "test"}, *texts(9, seed=1)])
    assert leakage.features is not None
    partly = leakage.features(frames, LeakageParams.model_validate(LEAKS.model_dump(exclude={"unsplit"})), CONTEXT)
    with pytest.raises(ValueError, match="features of every row"):
        divide(Corpus.of(frames, partly), rules())


def test_real_examples_are_split_without_a_leak(shared_data: Path) -> None:
    from gate.data.read import read

    dataset = read([shared_data / "alpaca_en_demo.json"])
    frames = Frames(dataset.examples.with_columns(split=pl.lit(None, EXAMPLES["split"])), dataset.malformed)
    corpus = corpus_of(frames)
    assigned = divide(corpus, load_snapshot_rules(Folders()))
    assert leaks(corpus, assigned).is_empty()
    assert min(assigned.counts.values()) >= 100
