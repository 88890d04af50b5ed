"""Splits, whatever the dataset: nothing leaks, nothing is lost, the order of rows decides nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.checks.base import Context
from gate.checks.leakage import LeakageParams, UnsplitParams, leakage
from gate.data.corpus import Corpus
from gate.data.frame import EXAMPLES, MALFORMED, SPLITS
from gate.data.ids import identify
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.snapshot_rules import Ratios, SnapshotRules, SplitRules
from gate.snapshots.split import Assigned, assign

CONTEXT = Context(LocalEngine(), Folders())
SEARCH = {
    "threshold": 0.6,
    "shingle": 2,
    "permutations": 64,
    "recall": 0.9999,
    "minimum_words": 2,
    "prompts": "warning",
}
LEAKS = UnsplitParams.model_validate(SEARCH)
WORDS = [f"w{number}" for number in range(60)]

Row = tuple[str, str, bool | None, str | None]
"""Prompt, completion, label, split."""


@st.composite
def datasets(draw: st.DrawFn, splits: bool = False) -> list[Row]:
    """A few dozen rows out of few words, many of them copies and edited copies of others, in chains too."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    size, fresh = draw(st.integers(1, 90)), draw(st.floats(0.1, 1))
    prompts, brought = draw(st.integers(1, 60)), draw(st.floats(0, 1)) if splits else 0
    rows: list[Row] = []
    for _ in range(size):
        words = [rng.choice(WORDS) for _ in range(rng.randint(0, 25))]
        if rows and rng.random() > fresh:
            words = rng.choice(rows)[1].split() or words
            for _ in range(rng.randint(0, 3)):
                at = rng.randint(0, len(words))
                words[at : at + rng.randint(0, 1)] = [rng.choice(WORDS)] * rng.randint(0, 1)
        prompt = " ".join(["ask", "me", f"p{rng.randrange(prompts)}"][rng.randint(0, 2) :])
        label = rng.choice([None, None, True, False])
        rows.append((prompt, " ".join(words), label, rng.choice(SPLITS) if rng.random() < brought else None))
    return rows


def corpus_of(rows: list[Row]) -> Corpus:
    records: list[dict[str, object]] = []
    for number, (prompt, completion, label, split) in enumerate(rows):
        kind = "chat" if label is None else "feedback"
        messages = [("user", prompt, None, None, None), ("assistant", completion, None, None, None)]
        content, record = identify(kind, messages, label=label)  # type: ignore[arg-type]
        turns = [dict(zip(("role", "content"), message, strict=False)) for message in messages]
        own = {"id": content, "record_id": record, "file": "a", "row": number + 1, "kind": kind, "split": split}
        blank = dict.fromkeys(("name", "tool_calls", "tool_call_id"))
        records.append(dict.fromkeys(EXAMPLES) | own | {"label": label, "messages": [turn | blank for turn in turns]})
    frames = Frames(pl.DataFrame(records, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    assert leakage.features is not None
    return Corpus.of(frames, leakage.features(frames, LEAKS, CONTEXT))


def rules(validation: float, test: float, seed: int, minimum: int = 0) -> SnapshotRules:
    shares = {"train": 1 - validation - test, "validation": validation, "test": test}
    least = dict.fromkeys(SPLITS, minimum)
    return SnapshotRules(SplitRules(seed, (Ratios(1, shares),), least, None))  # type: ignore[arg-type]


def divided(corpus: Corpus, demanded: SnapshotRules) -> Assigned:
    return assign(corpus, np.ones(corpus.rows.height, dtype=bool), demanded, LEAKS, CONTEXT)


def leaks(corpus: Corpus, assigned: Assigned) -> pl.DataFrame:
    judged = replace(corpus, rows=corpus.rows.with_columns(split=assigned.splits))
    return leakage.function(judged, LeakageParams.model_validate(SEARCH), CONTEXT).findings


SHARES = st.floats(0, 0.45)


@settings(max_examples=50, deadline=None)
@given(datasets(), SHARES, SHARES, st.integers(0, 2**40))
def test_nothing_leaks_and_the_ratios_are_met_within_the_largest_cluster(
    rows: list[Row], validation: float, test: float, seed: int
) -> None:
    corpus = corpus_of(rows)
    assigned = divided(corpus, rules(validation, test, seed))
    assert leaks(corpus, assigned).is_empty()

    assert assigned.splits.null_count() == 0
    assert sum(assigned.counts.values()) == assigned.table["examples"].sum() == len(rows)
    by_cluster = pl.DataFrame({"cluster": assigned.clusters, "split": assigned.splits}).group_by("cluster")
    assert by_cluster.agg(pl.col("split").n_unique())["split"].max() == 1

    drawn = assigned.clusters.filter(assigned.reasons == "drawn")
    largest = drawn.value_counts()["count"].max() if drawn.len() else 0
    assert isinstance(largest, int)
    wanted = {"test": int(test * len(rows) + 0.5), "validation": int(validation * len(rows) + 0.5)}
    for split, number in wanted.items():
        # Where clusters that are too large leave less than is to be held out, what is left is shared out.
        most = number if sum(wanted.values()) <= drawn.len() else 0
        assert most - largest <= assigned.counts[split] <= number + largest  # type: ignore[index]


@settings(max_examples=25, deadline=None)
@given(datasets(), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(rows: list[Row], rng: random.Random) -> None:
    demanded = rules(0.2, 0.2, seed=1)
    by_id = []
    for order in (rows, rng.sample(rows, len(rows))):
        corpus = corpus_of(order)
        by_id.append(dict(zip(corpus.rows["id"], divided(corpus, demanded).splits, strict=True)))
    assert by_id[0] == by_id[1]


@settings(max_examples=40, deadline=None)
@given(datasets(splits=True), SHARES, SHARES)
def test_what_the_data_says_is_kept_and_nothing_new_leaks(rows: list[Row], validation: float, test: float) -> None:
    corpus = corpus_of(rows)
    assigned = divided(corpus, rules(validation, test, seed=0))
    given_ = corpus.rows["split"]
    kept = given_.is_not_null()
    assert (assigned.splits.filter(kept) == given_.filter(kept)).all()
    assert sum(assigned.counts.values()) == len(rows)
    # A cluster that the data has torn apart leaks whatever is done; every other one is whole.
    clusters = pl.DataFrame({"cluster": assigned.clusters, "split": assigned.splits, "given": given_})
    spread = clusters.group_by("cluster").agg(pl.col("split").n_unique(), pl.col("given").drop_nulls().n_unique())
    assert (spread["split"] <= spread["given"].clip(1)).all()
    found = leaks(corpus, assigned)
    apart = clusters.with_row_index("row", offset=1).join(spread.filter(pl.col("given") > 1), on="cluster", how="semi")
    if not kept.all():
        unsplit = set(corpus.rows.filter(given_.is_null())["row"])
        assert set(found["row"]) & unsplit <= set(apart["row"])


@settings(max_examples=25, deadline=None)
@given(datasets(), st.integers(1, 20))
def test_minimums_are_met_or_nothing_is_split(rows: list[Row], minimum: int) -> None:
    corpus = corpus_of(rows)
    try:
        assigned = divided(corpus, rules(0.1, 0.1, seed=0, minimum=minimum))
    except PolicyError as error:
        assert f"{len(rows)} admitted example" in str(error)  # noqa: PT017 - either end is right, and both are looked at
    else:
        assert min(assigned.counts.values()) >= minimum
