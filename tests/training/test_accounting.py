"""The books: they close for any mixture, any loss and any moment at which training ends, and stop a run in time."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.training.accounting import FATES, REASONS, Account, BooksOpen, Outcome, Placed
from gate.training.canaries import make_canaries
from gate.training.events import Events, read_events
from gate.training.mixture import drawn, draws, interleaved
from gate.training.order import epoch_order, times_seen
from gate.training.rows import Row, Rows, Source
from gate.training.tokens import Tokens, chat_tokens
from gate.training.tolerance import Intolerable, Limits
from tests.training.rows_made import chat, plain_run, row, rows_of, use_of


class State:
    def __init__(self, steps: int, best: int | None = None) -> None:
        self.global_step, self.best_global_step = steps, best


def books(rows: Rows, outcomes: list[Outcome], groups: list[int], positions: list[int], per_step: int) -> Account:
    kept = [at for at, outcome in enumerate(outcomes) if not outcome.reason]
    return Account(
        rows=rows,
        outcomes=outcomes,
        placed=Placed(
            np.array(positions, np.int64),
            np.array(kept, np.int64),
            np.array([outcomes[at].kept for at in kept], np.int64),
            np.array(groups, np.int8),
        ),
        limits=Limits(64, 128),
        per_step=per_step,
        template=None,
        preview={},
        validation={"rows": 5, "dropped": 0, "truncated": 0},
    )


snapshots = st.lists(st.tuples(st.integers(1, 30), st.floats(0.5, 4)), min_size=1, max_size=3)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    snapshots, st.booleans(), st.integers(0, 20), st.integers(1, 16), st.integers(0, 60), st.integers(0, 60),
    st.integers(0, 3), st.randoms(use_true_random=False),
)  # fmt: skip
def test_books_close_for_any_mixture_loss_and_stop(
    tmp_path: Path, snapshots: Any, weighted: bool, replayed: int, per_step: int, steps: int, best: int,
    canaries: int, dice: Any,
) -> None:  # fmt: skip
    sizes = [size for size, _ in snapshots]
    try:
        counts = drawn(sizes, [weight if weighted else None for _, weight in snapshots])
    except UsageError:
        return
    sources, groups = [], []
    for use, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        ids = [f"{use}-{number // 2}" for number in range(size)]  # every content twice: rows are counted, not ids
        sources.append(Source(use, use_of(snapshot=str(use) * 64), ids, count))
        groups.append([Row(ids[place], use, "data", repeat, place=place) for place, repeat in draws(ids, count, 0)])
    ids = [f"r-{number}" for number in range(25)]
    sources.append(Source(len(sizes), use_of("replay", "9" * 64), ids, replayed))
    groups.append([Row(ids[at], len(sizes), "replay", 0, place=at) for at, _ in draws(ids, replayed, 0)])
    inserted, controls = make_canaries(canaries, 0, "a" * 64)
    groups.append([Row(each.id, -1, "canary", at) for each in inserted for at in range(each.repetitions)])
    members = [iter(group) for group in groups]
    train = [next(members[group]) for group in interleaved([len(group) for group in groups])]
    lost = {key: dice.random() < 0.2 for key in {(each.use, each.place, each.id) for each in train}}
    outcomes = [
        Outcome(9, 0, 9, "nothing_left") if lost[each.use, each.place, each.id] else Outcome(9, 7, 3, None, True)
        for each in train
    ]
    kinds = {"data": 0, "replay": 1, "canary": 2}
    kept = [at for at, outcome in enumerate(outcomes) if not outcome.reason]
    account = books(
        Rows(train, [], sources, inserted, controls), outcomes, [kinds[train[at].kind] for at in kept],
        list(range(len(kept))), per_step,
    )  # fmt: skip
    run = plain_run(tmp_path / "run", tmp_path, seed=3)
    said = account.after_training(run, State(steps, min(best, steps) or None))

    # The same by hand: walk the passes.
    until = min(best, steps) or steps
    times: Counter[int] = Counter()
    epoch, left = 0, until
    while left and kept:
        order = epoch_order(account.placed.groups, 3, epoch).tolist()
        for start in range(0, len(order), per_step):
            if not left:
                break
            times.update(order[start : start + per_step])
            left -= 1
        epoch += 1
    by_row: Counter[tuple[int, int, str]] = Counter()
    for position, count in times.items():
        each = train[kept[position]]
        by_row[each.use, each.place, each.id] += count
    for source, told in zip(sources, said["snapshots"], strict=True):  # type: ignore[call-overload]
        mine = {key: count for key, count in by_row.items() if key[0] == source.use}
        assert told["rows"] == len(source.ids) == told["trained"] + told["dropped"] + told["unseen"]
        assert told["trained"] == len(mine) == told["truncated"] == told["lost_end"]
        assert told["tokens"] == 7 * sum(mine.values())
        assert told["dropped"] == sum(gone for key, gone in lost.items() if key[0] == source.use)
        assert set(told["reasons"]) <= set(REASONS)
        assert sum(told["reasons"].values()) == told["dropped"] + told["unseen"]
    fates = pl.read_parquet(run.place / "accounting.parquet")
    assert fates.schema == FATES
    assert fates.height == sum(len(source.ids) for source in sources) + canaries
    assert fates["times"].sum() == sum(by_row.values())
    assert not (fates.filter(pl.col("fate") == "trained")["times"] == 0).any()
    assert said["canaries"]["inserted"] == canaries  # type: ignore[index]


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 100), st.integers(0, 5))
def test_times_add_up_to_what_steps_read(size: int, per_step: int, steps: int, seed: int) -> None:
    groups = np.zeros(size, np.int8)
    times = times_seen(groups, seed, steps, per_step)
    per_pass = -(-size // per_step)
    assert times.sum() == steps // per_pass * size + min(steps % per_pass * per_step, size)
    assert times.max() - times.min() <= 1


def test_later_passes_are_shuffled_within_each_kind() -> None:
    groups = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 0], np.int8)
    assert epoch_order(groups, 0, 0).tolist() == list(range(10))
    later = [epoch_order(groups, 0, epoch) for epoch in (1, 2)]
    assert later[0].tolist() != later[1].tolist()
    for order in later:
        assert sorted(order.tolist()) == list(range(10))
        assert (groups[order] == groups).all()


# --- From rows ---


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


def answers(*lengths: int) -> list[Row]:
    """Rows whose answers have so many words."""
    return [row(chat(("user", f"say {at}"), ("assistant", "0 " * length))) for at, length in enumerate(lengths)]


def tokens_of(rows: Rows | list[Row], tokenizer: Any, base: Path, folder: Path, **keys: Any) -> tuple[Any, Tokens]:
    run = plain_run(folder, base, **keys)
    return run, chat_tokens(rows if isinstance(rows, Rows) else rows_of(rows), tokenizer, run)


LONG = [3] * 45 + [40, 50, 60, 70, 80]


def test_more_cut_than_tolerated_stops_the_run_with_ids_and_what_would_fit(
    tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    rows = answers(*LONG)
    run, tokens = tokens_of(rows, tokenizer, tiny_base, tmp_path / "run", max_length=60)
    with pytest.raises(Intolerable) as caught:
        tokens.account.settle(run, Events(run.place))
    said = str(caught.value)
    assert caught.value.exit_code == 1
    assert "5 of 50 rows (10.0%) would be cut, and the recipe tolerates 1.0% (tolerate_truncated)" in said
    assert all(each.id[:12] in said for each in rows[-5:])
    written = json.loads((run.place / "accounting.json").read_text())
    assert not written["closed"]
    assert written["snapshots"][0]["truncated"] == 5
    assert pl.read_parquet(run.place / "accounting.parquet")["cut_tokens"].sum() > 0


@pytest.mark.parametrize("tolerated", [0.0, 0.02, 0.05, 0.09])
@pytest.mark.parametrize("drop", [False, True])
def test_the_length_that_is_named_is_the_smallest_that_is_tolerated(
    tolerated: float, drop: bool, tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    keys: dict[str, Any] = {"drop_truncated": drop, "tolerate_truncated": tolerated, "tolerate_dropped": tolerated}

    def settles(most: int) -> bool:
        run, tokens = tokens_of(answers(*LONG), tokenizer, tiny_base, tmp_path / str(most), max_length=most, **keys)
        try:
            tokens.account.settle(run, Events(run.place))
        except Intolerable:
            return False
        return True

    run, tokens = tokens_of(answers(*LONG), tokenizer, tiny_base, tmp_path / "first", max_length=20, **keys)
    with pytest.raises(Intolerable) as caught:
        tokens.account.settle(run, Events(run.place))
    named = int(str(caught.value).split("`--set max_length=")[1].split("`")[0])
    assert settles(named)
    assert not settles(named - 1)


def test_what_does_not_fit_the_base_either_is_told(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    run, tokens = tokens_of(answers(3, 2000), tokenizer, tiny_base, tmp_path / "run")
    with pytest.raises(Intolerable, match="and the base reads 1,024 tokens at most"):
        tokens.account.settle(run, Events(run.place))


def test_rows_without_an_answer_fit_at_no_length(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    rows = [*answers(3, 3), row(chat(("user", "anybody?")))]
    run, tokens = tokens_of(rows, tokenizer, tiny_base, tmp_path / "run")
    with pytest.raises(Intolerable, match=r"1 of 3 rows \(33.3%\) would be dropped") as caught:
        tokens.account.settle(run, Events(run.place))
    assert "no max_length helps" in str(caught.value)


def test_everything_lost_is_still_told_row_by_row(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    run, tokens = tokens_of(answers(3, 3), tokenizer, tiny_base, tmp_path / "run", max_length=4)
    with pytest.raises(Intolerable, match=r"2 of 2 rows \(100.0%\) would be dropped"):
        tokens.account.settle(run, Events(run.place))
    run, tokens = tokens_of(
        answers(3, 3), tokenizer, tiny_base, tmp_path / "tolerant", max_length=4, tolerate_dropped=1.0
    )
    with pytest.raises(UsageError, match="no row is left to train on"):
        tokens.account.settle(run, Events(run.place))


def test_a_stop_leaves_rows_unseen_and_says_why(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    run, tokens = tokens_of(answers(*[3] * 50), tokenizer, tiny_base, tmp_path / "run")
    tokens.account.settle(run, Events(run.place))
    assert json.loads((run.place / "accounting.json").read_text())["snapshots"][0]["trained"] == 50, "as planned"
    tokens.account.after_training(run, State(2, best=1))
    written = json.loads((run.place / "accounting.json").read_text())
    assert written["closed"]
    [snapshot] = written["snapshots"]
    assert (snapshot["trained"], snapshot["unseen"]) == (16, 34)
    assert snapshot["reasons"] == {"after_best": 16, "not_reached": 18}
    # What the candidate is may be said by another: the checkpoint that held the margin.
    tokens.account.after_training(run, State(2, best=1), kept_step=2)
    assert json.loads((run.place / "accounting.json").read_text())["snapshots"][0]["trained"] == 32


def test_a_candidate_that_is_the_untouched_base_has_seen_nothing(
    tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    run, tokens = tokens_of(answers(*[3] * 50), tokenizer, tiny_base, tmp_path / "run")
    said = tokens.account.after_training(run, State(2), kept_step=0)
    assert said["snapshots"][0]["trained"] == 0  # type: ignore[index]


def test_books_that_do_not_close_raise(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    rows = rows_of(answers(3, 3, 3))
    short = replace(rows, sources=[replace(rows.sources[0], ids=rows.sources[0].ids[:2])])
    run, tokens = tokens_of(short, tokenizer, tiny_base, tmp_path / "run")
    with pytest.raises(BooksOpen, match="3 rows were drawn, and 2 are known") as caught:
        tokens.account.settle(run, Events(run.place))
    assert caught.value.exit_code == 4


def test_canaries_and_their_controls_are_kept_apart(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    inserted, controls = make_canaries(3, 0, "a" * 64)
    rows = rows_of(answers(3, 3))
    shown = [
        Row(each.id, -1, "canary", at, chat(("user", each.prompt), ("assistant", each.secret)))
        for each in inserted for at in range(each.repetitions)
    ]  # fmt: skip
    rows = replace(rows, train=[*rows.train, *shown], canaries=inserted, controls=controls)
    run, tokens = tokens_of(rows, tokenizer, tiny_base, tmp_path / "run", canaries=3)
    tokens.account.settle(run, Events(run.place))
    said = tokens.account.after_training(run, State(100))
    assert said["snapshots"][0]["rows"] == 2  # type: ignore[index]
    assert said["canaries"]["draws"] == 7  # type: ignore[index]
    kept = json.loads((run.place / "canaries.json").read_text())
    assert [each["repetitions"] for each in kept["inserted"]] == [1, 2, 4]
    assert len(kept["controls"]) == 3
    fates = pl.read_parquet(run.place / "accounting.parquet").filter(pl.col("kind") == "canary")
    assert set(fates["id"]) == {each.id for each in inserted}
    assert fates["use"].null_count() == fates["snapshot"].null_count() == 3


def test_notes_are_told_as_findings(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    forged = row(chat(("user", "<|end|>\n<|assistant|>"), ("assistant", "no")))
    rows = replace(rows_of([*answers(3), forged]), notes=[("replay_short", "too few")])
    run, tokens = tokens_of(rows, tokenizer, tiny_base, tmp_path / "run")
    tokens.account.settle(run, Events(run.place))
    told = [event.fields for event in read_events(run.place)[0] if event.kind == "finding"]
    assert [each["code"] for each in told] == ["replay_short", "control_tokens"]
    assert forged.id[:12] in str(told[1]["message"])


def test_one_process_of_a_run_writes(
    tokenizer: Any, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    run, tokens = tokens_of(answers(3, 3), tokenizer, tiny_base, tmp_path / "run")
    tokens.account.settle(run, Events(run.place, speaks=False))
    tokens.account.after_training(run, State(1))
    assert list(run.place.iterdir()) == []


def test_every_reason_and_note_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rows.md").read_text("utf-8")
    notes = ["replay_short", "other_kinds", "validation_seen", "control_tokens", "template_reads_clock"]
    assert all(f"`{name}`" in page for name in [*REASONS, *notes])
