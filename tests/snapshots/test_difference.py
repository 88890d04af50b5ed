"""How snapshots differ: by content and split, as multisets."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import orjson
import polars as pl
import pytest

from gate.data.frame import SPLITS
from gate.provenance.envelope import canonical
from gate.provenance.ledger import Ledger
from gate.snapshots.difference import SnapshotDifference, compare, difference
from gate.store.objects import Damaged, Store
from tests.snapshots.made import Admit, People, chats, write_rows, write_splits


def keys(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    schema = {"id": pl.String, "record_id": pl.String, "split": pl.Enum(SPLITS)}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(file=pl.lit("f.jsonl"), row=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32))


def counted(a: list[tuple[str, str, str]], b: list[tuple[str, str, str]]) -> dict[str, int]:
    """The same by taking off one by one what is most alike."""
    found = {}
    left, right = Counter(a), Counter(b)
    for name, key in (("same", 3), ("other columns", None), ("moved", 1)):

        def of(row: tuple[str, str, str], key: int | None = key) -> tuple[str, ...]:
            return (row[0], row[2]) if key is None else row[:key]

        groups_a, groups_b = Counter(map(of, left.elements())), Counter(map(of, right.elements()))
        pairs = groups_a & groups_b
        found[name] = pairs.total()
        for side in (left, right):
            take = Counter(pairs)
            for row in list(side.elements()):
                if take[of(row)]:
                    take[of(row)] -= 1
                    side[row] -= 1
            side += Counter()
    return found | {"removed": left.total(), "added": right.total()}


def test_rows_are_matched_as_one_by_one() -> None:
    dice = random.Random(4)
    for _ in range(60):
        a, b = (
            [(dice.choice("xyz"), dice.choice("pq"), dice.choice(SPLITS)) for _ in range(dice.randrange(12))]
            for _ in range(2)
        )
        rows, same = compare(keys(a), keys(b))
        counts = dict(rows["change"].cast(pl.String).value_counts().iter_rows())
        got = {name: counts.get(name, 0) for name in ("other columns", "moved", "removed", "added")} | {"same": same}
        # Which of several equal contents is taken for which decides nothing but which of them is called moved.
        assert got == counted(a, b)


@pytest.fixture
def diff(admitted: Admit, people: People, tmp_path: Path) -> SnapshotDifference:
    """A second snapshot: a row gone, two new, one in another split, one with a column more; a file renamed."""
    write_splits(tmp_path / "a", 1)
    admitted(tmp_path / "a", name="harbour")
    train, test = ([dict(row) for row in chats(1000 + number, size)] for number, size in ((0, 60), (2, 20)))
    moved = train.pop(0)
    del train[0]
    train += chats(77, 2)
    train[0] = train[0] | {"topic": "tides"}
    write_rows(tmp_path / "b" / "train.jsonl", train)
    write_rows(tmp_path / "b" / "test.jsonl", [*test, moved])
    (tmp_path / "b" / "valid.jsonl").write_bytes((tmp_path / "a" / "validation.jsonl").read_bytes())
    again = admitted(tmp_path / "b", name="harbour")
    return difference(Ledger(Store(again.store)), "harbour@1", "harbour", people.trust)


def test_rows_sources_and_figures_that_changed_are_told(diff: SnapshotDifference) -> None:
    assert diff.same == 97
    assert {change: diff.count(change) for change in ("added", "removed", "moved", "other columns")} == {
        "added": 2, "removed": 1, "moved": 1, "other columns": 1,
    }  # fmt: skip
    (moved,) = diff.rows.filter(pl.col("change") == "moved").to_dicts()
    assert (moved["a_split"], moved["b_split"], moved["file"], moved["row"]) == ("train", "test", "test.jsonl", 21)
    assert diff.sources == {
        "test.jsonl": "changed", "train.jsonl": "changed", "valid.jsonl": "renamed from validation.jsonl",
    }  # fmt: skip
    figures = {each.name: (each.a, each.b) for each in diff.figures}
    assert figures["split: test"] == (20, 21)
    assert figures["examples"] == (100, 101)
    assert diff.rules == {}
    assert diff.exit_code == 1


def test_a_snapshot_is_the_same_as_itself_whatever_its_files_are_called(
    admitted: Admit, people: People, tmp_path: Path
) -> None:
    write_splits(tmp_path / "a", 1)
    first = admitted(tmp_path / "a")
    (tmp_path / "b").mkdir()
    for path in (tmp_path / "a").iterdir():
        path.rename(tmp_path / "b" / f"{path.stem}-0001.jsonl")
    second = admitted(tmp_path / "b", name="other")
    found = difference(Ledger(Store(first.store)), "harbour", "other")
    assert first.snapshot == second.snapshot
    assert (found.same, found.rows.height, found.differ, found.exit_code) == (100, 0, False, 0)


def test_rules_that_changed_are_told(admitted: Admit, people: People, policy: Path, tmp_path: Path) -> None:
    write_splits(tmp_path / "a", 1)
    one = admitted(tmp_path / "a")
    other = tmp_path / "other.yaml"
    text = policy.read_text().replace("tolerate: 0.2\n    remedy: drop", "tolerate: 0.1\n    remedy: drop")
    other.write_text(text.replace("id: structure", "id: form"))
    admitted(tmp_path / "a", policy=other)
    found = difference(Ledger(Store(one.store)), "harbour@1", "harbour@2", people.trust)
    assert found.rules == {"exact_duplicates": "changed", "form": "added", "structure": "removed"}
    assert found.rows.height == 0
    assert found.differ, "the same rows under other rules are another snapshot"


def test_rows_that_are_not_those_of_the_id_are_an_error(
    diff: SnapshotDifference, people: People, tmp_path: Path
) -> None:
    """An owner signs an admission of the first snapshot with the objects of the second."""
    ledger = Ledger(Store(tmp_path / "store"))
    first, second = diff.a.about, diff.b.about
    descriptor = orjson.loads(ledger.store.read(second.descriptor, "json")) | {"snapshot": first.snapshot}
    digest = ledger.store.put(canonical(descriptor), "json")
    forged = second.model_copy(update={"snapshot": first.snapshot, "descriptor": digest})
    for path in (tmp_path / "store" / "statements").iterdir():
        path.unlink()
    ledger.refer("harbour", first.snapshot, ledger.say(forged, people.ana).digest, people.ana)
    with pytest.raises(Damaged, match="do not give the id"):
        difference(ledger, first.snapshot, first.snapshot, people.trust)


def test_damaged_rows_are_no_difference_but_an_error(diff: SnapshotDifference, people: People, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    victim = max((store.root / "objects").glob("??/*.parquet"), key=lambda path: path.stat().st_size)
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged):
        difference(Ledger(store), "harbour@1", "harbour@2", people.trust)
