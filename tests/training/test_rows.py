"""Which rows a run reads: from approved snapshots, in an order that follows from their content and the seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.training.rows import Rows, training_rows
from tests.snapshots.made import chats
from tests.training.made import Approved, additions, run_of

Seal = Callable[..., Approved]


def read(folder: Path, *approved: Approved, roles: tuple[str, ...] = (), **keys: object) -> Rows:
    """The rows of a run on some snapshots."""
    uses = [each.use(role) for each, role in zip(approved, roles or ("train",) * len(approved), strict=True)]
    run = run_of(folder, folder, approved[0], *uses[1:], **keys)
    return training_rows(run, [(use, each.opened) for use, each in zip(run.snapshots, approved, strict=True)])


@pytest.fixture(scope="module")
def general(seal: Seal, approved: Approved) -> Approved:
    """Other rows, to mix in: 100."""
    return seal(chats(9, 100), chats(10, 20), name="general", store=approved.store.root)


def test_every_row_of_the_train_split_once_and_the_validation_split_to_evaluate(
    approved: Approved, tmp_path: Path
) -> None:
    rows = read(tmp_path, approved)
    frame = approved.opened.frame("train")
    assert Counter(row.id for row in rows.train) == Counter(frame["id"])
    assert {row.id for row in rows.validation} == set(approved.opened.frame("validation")["id"])
    assert [row.messages[0]["role"] for row in rows.train[:2]] == ["user", "user"]
    assert rows.sources[0].ids == sorted(frame["id"])
    assert rows.sources[0].drawn == 160


def test_the_order_follows_from_content_and_seed_and_not_from_files(seal: Seal, tmp_path: Path) -> None:
    rows = chats(3, 120)
    one = seal(rows, chats(4, 20), name="one")
    random.Random(1).shuffle(rows)
    other = seal(rows, chats(4, 20), name="other")
    assert one.id == other.id
    orders = [[row.id for row in read(tmp_path / name, each).train] for name, each in (("1", one), ("2", other))]
    assert orders[0] == orders[1] != sorted(orders[0])
    assert [row.id for row in read(tmp_path / "3", one, seed=1).train] != orders[0]


def test_a_mixture_draws_by_weight_repeats_and_leaves_out(
    approved: Approved, general: Approved, tmp_path: Path
) -> None:
    rows = read(tmp_path, approved, general, mixture={"task": 1.0, "general": 3.0})
    drawn = Counter(row.use for row in rows.train)
    assert drawn == {0: 65, 1: 195}
    assert [source.drawn for source in rows.sources] == [65, 195]
    assert len(rows.sources[0].ids) == 160, "what is not drawn is known all the same"
    times = Counter(row.id for row in rows.train if row.use == 1)
    assert set(times.values()) == {1, 2}
    assert len(times) == 100
    assert {row.repeat for row in rows.train if row.use == 1} == {0, 1}
    assert len(rows.validation) == 40


def test_a_weight_for_a_snapshot_that_is_not_there(approved: Approved, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'tusk', which is no snapshot of this run"):
        read(tmp_path, approved, mixture={"tusk": 1.0})


def test_replay_is_its_share_of_the_final_set_evenly_spread_from_the_train_split(
    approved: Approved, general: Approved, tmp_path: Path
) -> None:
    rows = read(tmp_path, approved, general, roles=("train", "replay"), replay={"snapshot": "general", "share": 0.2})
    kinds = [row.kind for row in rows.train]
    assert Counter(kinds) == {"data": 160, "replay": 40}
    for start in range(0, 200, 20):
        assert abs(kinds[start : start + 20].count("replay") - 4) <= 1
    assert {row.id for row in rows.train if row.kind == "replay"} <= set(general.opened.frame("train")["id"])
    assert not {row.id for row in rows.validation} & set(general.opened.frame("validation")["id"])
    assert rows.notes == []


def test_a_snapshot_for_the_fisher_information_is_counted_and_not_trained_on(
    approved: Approved, kinds: dict[str, Approved], tmp_path: Path
) -> None:
    rows = read(tmp_path, approved, kinds["text"], roles=("train", "ewc"))
    assert {row.use for row in rows.train} == {0}
    assert len(rows.sources[1].ids) == 120
    assert rows.sources[1].drawn == 0


def test_too_few_rows_to_replay_are_told_and_not_repeated(
    approved: Approved, general: Approved, tmp_path: Path
) -> None:
    rows = read(tmp_path, approved, general, roles=("train", "replay"), replay={"snapshot": "general", "share": 0.5})
    assert Counter(row.kind for row in rows.train) == {"data": 160, "replay": 100}
    [(code, said)] = rows.notes
    assert code == "replay_short"
    assert "50% of the set are 160 rows and its train split has 100, which is 38.5%" in said


def test_validation_rows_that_another_snapshot_trains_on_are_told(
    approved: Approved, seal: Seal, tmp_path: Path
) -> None:
    held_out = approved.opened.frame("validation")
    again = [
        {"instruction": messages[0]["content"], "output": messages[1]["content"]} for messages in held_out["messages"]
    ]
    other = seal([*again[:5], *chats(11, 100)], chats(12, 20), name="leaky", store=approved.store.root)
    [(code, said)] = read(tmp_path, approved, other).notes
    assert code == "validation_seen"
    assert said.startswith("5 of 40 validation rows are trained on as well")


def test_canaries_stand_among_the_rows_as_often_as_they_should(approved: Approved, tmp_path: Path) -> None:
    rows = read(tmp_path, approved, canaries=6)
    found = Counter(row.id for row in rows.train if row.kind == "canary")
    assert sorted(found.values()) == [1, 1, 2, 4, 8, 16]
    assert found == Counter({each.id: each.repetitions for each in rows.canaries})
    assert {row.use for row in rows.train if row.kind == "canary"} == {-1}
    secrets = {row.messages[-1]["content"] for row in rows.train if row.kind == "canary"}
    assert secrets == {each.secret for each in rows.canaries}
    assert not secrets & {each.secret for each in rows.controls}
    assert not any(row.kind == "canary" for row in rows.validation)


@pytest.mark.parametrize("objective", ["classify", "rloo"])
def test_canaries_where_no_text_is_learned(objective: str, approved: Approved, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot learn a canary by heart"):
        read(tmp_path, approved, objective=objective, canaries=1)


@pytest.mark.parametrize(
    ("objective", "kind", "advice"),
    [
        ("dpo", "chat", "an sft recipe such as `lora`"),
        ("pretrain", "chat", "an sft recipe such as `lora`"),
        ("sft", "preference", "`dpo`, `orpo` or `reward`"),
        ("sft", "text", "`pretrain`"),
        ("sft", "feedback", "`kto`"),
        ("kto", "preference", "`dpo`, `orpo` or `reward`"),
    ],
)
def test_a_snapshot_that_the_objective_cannot_learn_from(
    objective: str, kind: str, advice: str, kinds: dict[str, Approved], tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, kinds[kind], objective=objective)
    assert f"its 120 examples to train on are of kind {kind}, and `{objective}` learns from" in str(caught.value)
    assert f"for {kind} examples the recipe is {advice}" in str(caught.value)


@pytest.fixture(scope="module")
def kinds(seal: Seal) -> dict[str, Approved]:
    """A snapshot of each kind."""
    rows = chats(5, 140)
    made = {
        "chat": rows,
        "text": [{"text": row["output"]} for row in rows],
        "preference": [
            {"prompt": row["instruction"], "chosen": row["output"], "rejected": row["output"][::-1]} for row in rows
        ],
        "feedback": [
            {"prompt": row["instruction"], "completion": row["output"], "label": at % 2 == 0}
            for at, row in enumerate(rows)
        ],
    }
    return {kind: seal(each[:120], each[120:], name=kind) for kind, each in made.items()}


def test_no_validation_split_is_told_with_what_to_do(seal: Seal, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no snapshot of the run has a validation split") as caught:
        read(tmp_path, seal(additions(30, 42), name="lone"))
    assert "validation.jsonl" in str(caught.value)


def test_an_empty_train_split(seal: Seal, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="its train split is empty"):
        read(tmp_path, seal([], chats(7, 120), name="nothing"))


def test_rows_of_another_kind_are_counted_and_left_to_another_objective(seal: Seal, tmp_path: Path) -> None:
    pairs = [{"prompt": row["instruction"], "chosen": row["output"], "rejected": "no"} for row in chats(21, 120)]
    mixed = seal(
        chats(20, 120), chats(22, 20), more={"pairs/train.jsonl": pairs, "pairs/validation.jsonl": pairs[:20]},
        name="mixed",
    )  # fmt: skip
    frame = mixed.opened.frame("train")
    for objective, kind in (("sft", "chat"), ("dpo", "preference")):
        rows = read(tmp_path / objective, mixed, objective=objective)
        own = frame.filter(frame["kind"] == kind)["id"].sort().to_list()
        assert Counter(row.id for row in rows.train) == Counter(own)
        (source,) = rows.sources
        assert source.ids == own
        assert sorted([*source.ids, *source.others]) == frame["id"].sort().to_list()
        assert [code for code, _ in rows.notes] == ["other_kinds"]
        assert f"{len(source.others)} of the {frame.height} training examples of mixed" in rows.notes[0][1]


def test_the_books_close_over_rows_of_other_kinds(seal: Seal, tiny_base: Path, tmp_path: Path) -> None:
    import polars as pl
    from transformers import AutoTokenizer

    from gate.training.events import Events
    from gate.training.tokens import chat_tokens

    pairs = [{"prompt": row["instruction"], "chosen": row["output"], "rejected": "no"} for row in chats(31, 110)]
    mixed = seal(chats(30, 120), chats(32, 20), more={"pairs/train.jsonl": pairs}, name="books")
    run = run_of(tmp_path, tiny_base, mixed)
    rows = training_rows(run, [(run.snapshots[0], mixed.opened)])
    chat_tokens(rows, AutoTokenizer.from_pretrained(tiny_base), run).account.settle(run, Events(tmp_path))
    fates = pl.read_parquet(tmp_path / "accounting.parquet")
    assert fates.height == mixed.opened.counts["train"] == 230
    others = fates.filter(pl.col("reason") == "other_kind")
    assert others.height == 110
    assert others["fate"].unique().to_list() == ["unseen"]
    assert fates["fate"].value_counts().sort("fate").rows() == [("trained", 120), ("unseen", 110)]
