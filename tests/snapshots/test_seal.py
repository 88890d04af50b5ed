"""The id of a snapshot follows from its examples, their splits and the policy, and from nothing else; the objects from
the rows alone."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from gate.admission.result import FINDINGS
from gate.data.stream import Limits
from gate.errors import InputError
from gate.snapshots import parquet
from gate.snapshots.exclusions import admits, blocked, excluded
from gate.snapshots.layout import Descriptor
from gate.snapshots.parquet import from_parquet, to_parquet
from gate.snapshots.seal import Contents, seal
from gate.store.objects import Damaged, Store
from gate.verbs.admit import Admitted
from tests.snapshots.made import Admit, People, chats, write_rows, write_splits

SCHEMA = pl.Schema({"id": pl.String, "n": pl.UInt32})


def objects(one: Admitted) -> set[str]:
    return {path.name for path in one.store.glob("objects/*/*")}


# The id


def test_the_same_examples_have_the_same_id_whatever_their_files(
    admitted: Admit, people: People, tmp_path: Path
) -> None:
    first = admitted(write_splits(tmp_path / "data"), store=tmp_path / "a")
    dice = random.Random(3)
    other = tmp_path / "elsewhere" / "named" / "otherwise"
    for number, split in enumerate(("train", "validation", "test")):
        rows = chats(number, (60, 20, 20)[number])
        dice.shuffle(rows)
        write_rows(other / split / "z.jsonl", rows[:7])
        write_rows(other / split / "a" / "b.jsonl", [dict(reversed(row.items())) for row in rows[7:]])
    second = admitted(other, store=tmp_path / "b", name="another-name", signer=people.olga)
    assert second.snapshot == first.snapshot
    assert second.statement.digest != first.statement.digest
    assert {source.path for source in second.admission.sources} != {s.path for s in first.admission.sources}


def test_nothing_of_the_machine_is_in_the_objects(admitted: Admit, tmp_path: Path) -> None:
    first = admitted(write_splits(tmp_path / "data"), store=tmp_path / "a")
    shutil.move(tmp_path / "data", tmp_path / "moved")
    second = admitted(tmp_path / "moved", store=tmp_path / "b")
    assert objects(first) == objects(second)


CHANGES: dict[str, Callable[[Path], object]] = {
    "another text": lambda folder: write_rows(folder / "test.jsonl", chats(99, 20)),
    "a row less": lambda folder: write_rows(folder / "test.jsonl", chats(2, 19)),
    "another split": lambda folder: (folder / "test.jsonl").rename(folder / "validation-2.jsonl"),
    "another column": lambda folder: write_rows(folder / "test.jsonl", [row | {"n": 1} for row in chats(2, 20)]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_examples_have_another_id(admitted: Admit, tmp_path: Path, change: str) -> None:
    folder = write_splits(tmp_path / "data")
    first = admitted(folder)
    CHANGES[change](folder)
    assert admitted(folder).snapshot != first.snapshot


def test_how_often_an_example_comes_is_part_of_the_id(admitted: Admit, policy: Path, tmp_path: Path) -> None:
    lax = policy.with_name("lax.yaml")
    lax.write_text(policy.read_text().replace("severity: error", "severity: warning"))
    once, twice = write_splits(tmp_path / "once"), write_splits(tmp_path / "twice")
    write_rows(twice / "train.jsonl", [*chats(0, 60), chats(0, 1)[0]])
    assert admitted(once, policy=lax).snapshot != admitted(twice, policy=lax).snapshot


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("tolerate: 0.2", "tolerate: 0.1", False),
        ("remedy: drop", "remedy: review", False),
        ("severity: error", "severity: warning", False),
        ("check: exact_duplicates", "check: exact_duplicates\n    with: {key: prompt}", False),
        ("check: exact_duplicates", "check: exact_duplicates\n    with: {key: full}", True),
        ("id: exact_duplicates", "id: copies", False),
        ("counts double.", "is learned by heart.", True),
        ("description: Two", "description: Some", True),
        ("name: quick", "name: another", True),
    ],
)
def test_the_policy_is_part_of_the_id_and_its_words_are_not(
    admitted: Admit, policy: Path, tmp_path: Path, old: str, new: str, same: bool
) -> None:
    folder = write_splits(tmp_path / "data")
    text = policy.read_text()
    base = text.replace("check: exact_duplicates", "check: exact_duplicates\n    with: {key: full}")
    one = policy.with_name("one.yaml")
    one.write_text(base)
    two = tmp_path / "two.yaml"
    two.write_text(text.replace(old, new) if "check:" in old else base.replace(old, new))
    assert two.read_text() != text
    assert (admitted(folder, policy=one).snapshot == admitted(folder, policy=two).snapshot) is same


def test_the_content_of_the_files_that_rules_name_is_part_of_the_id(admitted: Admit, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "repository" / "data")
    lexicon = tmp_path / "repository" / "rules" / "lexicons" / "mine.txt"
    lexicon.parent.mkdir(parents=True)
    (tmp_path / "repository" / "gate.yaml").write_text("version: 1\n")
    policy = tmp_path / "repository" / "words.yaml"
    policy.write_text(
        "version: 1\nname: words\ndescription: x\nrules:\n"
        "  - {id: bias, check: bias, severity: error, tolerate: 0, remedy: drop, why: x,\n"
        "     with: {lexicon: mine, between: 2}}\n"
    )
    lexicon.write_text("[group sailors]\nsailors\n[negative]\ndull\n")
    first = admitted(folder, policy=policy)
    lexicon.write_text("[group sailors]\nsailors\n[negative]\ndull\nslow\n")
    second = admitted(folder, policy=policy)
    assert first.snapshot != second.snapshot
    document = Store(first.store).read(first.admission.policy, "json").decode()
    assert str(tmp_path) not in document
    assert len(json.loads(document)["rules"][0]["files"]) == 1


PLUGIN = '''
from gate.checks import Context, Frames, Measurement, Params, check, found
import polars as pl


class Nothing(Params):
    most: float = float("inf")


@check("calm", params=Nothing, codes={"storm": "x"}, fails=(), passes=())
def calm(frames: Frames, params: Nothing, context: Context) -> Measurement:
    """Nothing at all."""
    return Measurement(found(pl.DataFrame(schema={"code": pl.String})), examined=frames.examples.height)
'''


def test_the_code_of_a_teams_own_check_is_part_of_the_id(admitted: Admit, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "repository" / "data")
    (tmp_path / "repository" / "gate.yaml").write_text("version: 1\n")
    plugin = tmp_path / "repository" / "rules" / "checks" / "calm.py"
    plugin.parent.mkdir(parents=True)
    policy = tmp_path / "repository" / "own.yaml"
    policy.write_text(
        "version: 1\nname: own\ndescription: x\nrules:\n"
        "  - {id: calm, check: calm, severity: error, tolerate: 0, remedy: drop, why: x}\n"
    )
    plugin.write_text(PLUGIN)
    first = admitted(folder, policy=policy)
    plugin.write_text(PLUGIN.replace("Nothing at all.", "Nothing whatever."))
    assert admitted(folder, policy=policy).snapshot != first.snapshot


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_of_the_rules_that_changes_while_data_is_judged_is_an_error(
    admitted: Admit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    from gate.verbs import admit as module

    folder = write_splits(tmp_path / "repository" / "data")
    lexicon = tmp_path / "repository" / "rules" / "lexicons" / "mine.txt"
    lexicon.parent.mkdir(parents=True)
    (tmp_path / "repository" / "gate.yaml").write_text("version: 1\n")
    lexicon.write_text("[group sailors]\nsailors\n[negative]\ndull\n")
    policy = tmp_path / "repository" / "words.yaml"
    policy.write_text(
        "version: 1\nname: words\ndescription: x\nrules:\n"
        "  - {id: bias, check: bias, severity: error, tolerate: 0, remedy: drop, why: x,\n"
        "     with: {lexicon: mine, between: 2}}\n"
    )
    document = module.policy_document

    def changing(*arguments: object) -> bytes:
        made = document(*arguments) if when == "after" else b""  # type: ignore[arg-type]
        lexicon.write_text("[group sailors]\nsailors\n[negative]\nlazy\n")
        return made or document(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "policy_document", changing)
    with pytest.raises(InputError, match="the rule bias reads changed"):
        admitted(folder, policy=policy)
    assert not (tmp_path / "store").exists()


def test_what_is_demanded_of_other_kinds_is_no_part_of_the_id(admitted: Admit, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    folder = write_splits(repository / "data")
    quick = "version: 1\nname: {0}\ndescription: x\nrules:\n  - {{id: structure, check: structure, severity: {1}, "
    quick += "tolerate: 0, remedy: fix, why: x}}\n"
    for kind in ("base", "chat", "preference", "feedback", "text"):
        path = repository / "rules" / "admission" / f"{kind}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(quick.format(kind, "error"))
    first = admitted(folder, policy=None)
    (repository / "rules/admission/preference.yaml").write_text(quick.format("preference", "warning"))
    assert admitted(folder, policy=None).snapshot == first.snapshot
    (repository / "rules/admission/chat.yaml").write_text(quick.format("chat", "warning"))
    assert admitted(folder, policy=None).snapshot != first.snapshot


# Objects


def test_files_that_did_not_change_share_their_objects(admitted: Admit, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "data")
    first = admitted(folder)
    before = objects(first)
    write_rows(folder / "train.jsonl", chats(77, 60))
    second = admitted(folder)
    shards = Descriptor.model_validate_json(Store(second.store).read(second.admission.descriptor, "json")).shards
    assert sum(f"{shard.examples}.parquet" in before for shard in shards) == 2


def test_an_object_that_was_damaged_is_sealed_anew(admitted: Admit, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "data")
    first = admitted(folder)
    store = Store(first.store)
    for path in store.root.glob("objects/*/*"):
        path.write_bytes(b"damaged")
    admitted(folder)
    for path in store.root.glob("objects/*/*"):
        store.verified(path.stem, path.suffix[1:])


def test_a_shard_of_which_nothing_is_admitted_is_no_object(admitted: Admit, policy: Path, tmp_path: Path) -> None:
    lax = policy.with_name("very-lax.yaml")
    lax.write_text(policy.read_text().replace("0.2", "100"))
    folder = write_splits(tmp_path / "data")
    write_rows(folder / "train" / "empty.jsonl", [{"instruction": f"And {n}?", "output": ""} for n in range(9)])
    one = admitted(folder, policy=lax)
    shards = Descriptor.model_validate_json(Store(one.store).read(one.admission.descriptor, "json")).shards
    assert len(shards) == 3
    assert one.admission.excluded == 9


# Parquet


def test_the_same_rows_are_the_same_bytes() -> None:
    frame = pl.DataFrame({"id": ["b", "a"], "n": [2, None]}, schema=SCHEMA)
    parts = pl.concat([frame[:1], frame[1:]], rechunk=False)
    assert to_parquet(frame, SCHEMA) == to_parquet(parts, SCHEMA)
    assert from_parquet(to_parquet(frame, SCHEMA), SCHEMA, "x", rows=2).equals(frame)
    with pytest.raises(ValueError, match="columns"):
        to_parquet(frame.select("n", "id"), SCHEMA)


def test_bytes_that_are_no_such_parquet_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"id": ["a"] * 5000, "n": [2] * 5000}, schema=SCHEMA)
    whole = to_parquet(frame, SCHEMA)
    for content in (b"", b"PAR1", whole[:-1], whole[4:], b"PAR1" * 100, whole[: len(whole) // 2]):
        with pytest.raises(Damaged, match="the-name"):
            from_parquet(content, SCHEMA, "the-name")
    with pytest.raises(Damaged, match="5,000 rows and not 4,999"):
        from_parquet(whole, SCHEMA, "the-name", rows=4999)
    with pytest.raises(Damaged, match="columns"):
        from_parquet(to_parquet(frame.drop("n"), pl.Schema({"id": pl.String})), SCHEMA, "the-name")
    monkeypatch.setattr(parquet, "Limits", lambda: Limits(expanded_floor=1000, expanded_ratio=2))
    with pytest.raises(Damaged, match="unpacks to"):
        from_parquet(whole, SCHEMA, "the-name")


@pytest.mark.parametrize("seed", range(40))
def test_no_flipped_byte_of_a_parquet_gets_further_than_an_error(seed: int) -> None:
    frame = pl.DataFrame({"id": [str(n) for n in range(200)], "n": range(200)}, schema=SCHEMA)
    content = bytearray(to_parquet(frame, SCHEMA))
    dice = random.Random(seed)
    for _ in range(3):
        content[dice.randrange(len(content))] = dice.randrange(256)
    with contextlib.suppress(Damaged):
        from_parquet(bytes(content), SCHEMA, "x", rows=200)


# Exclusions


def findings(**columns: object) -> pl.DataFrame:
    one: dict[str, object] = {"rule": "r", "code": "c", "severity": "error", "file": "a", "row": 1, "remedy": "drop"}
    filled = dict.fromkeys(FINDINGS) | one | {"state": "new"} | columns
    return pl.DataFrame([filled], schema=FINDINGS)


@pytest.mark.parametrize(
    ("columns", "excludes"),
    [
        ({}, True),
        ({"remedy": "redact"}, True),
        ({"remedy": "fix"}, True),
        ({"remedy": "review"}, False),
        ({"severity": "warning"}, False),
        ({"severity": "info"}, False),
        ({"state": "waived"}, False),
        ({"state": "unchanged"}, True),
        ({"state": None}, True),
        ({"row": None}, False),
    ],
)
def test_which_findings_exclude(columns: dict[str, object], excludes: bool) -> None:
    assert blocked(findings(**columns)).height == int(excludes)


def test_a_waived_finding_beside_one_that_is_not() -> None:
    out = blocked(pl.concat([findings(state="waived", rule="one"), findings(rule="two"), findings(rule="two")]))
    assert out["rules"].to_list() == [["two"]]
    rows = pl.DataFrame({"id": ["x", "y"], "record_id": ["p", "q"], "file": ["a", "b"], "row": [1, 1]})
    rows = rows.cast({"row": pl.UInt32})
    assert excluded(rows, out)["id"].to_list() == ["x"]
    assert admits(rows.cast({"file": pl.Categorical()}), out).to_list() == [False, True]


def test_rows_that_are_not_accounted_for_are_never_sealed(admitted: Admit, tmp_path: Path) -> None:
    one = admitted(write_splits(tmp_path / "data"))
    corpus = one.result.dataset.corpus()
    good = Contents(
        corpus=corpus,
        splits=corpus.rows["split"],
        blocked=blocked(one.result.findings),
        findings=one.result.findings,
        malformed=one.result.dataset.malformed,
        policy=b"{}",
    )
    store = Store.create(tmp_path / "other")
    assert seal(store, good).admitted == 100
    nothing = pl.Series([None], dtype=corpus.rows["split"].dtype)
    without = corpus.rows["split"].zip_with(pl.Series([False] + [True] * 99), nothing)
    with pytest.raises(RuntimeError, match="99 admitted"):  # neither admitted nor excluded
        seal(store, replace(good, splits=without))
    with pytest.raises(RuntimeError, match="1 rows are blocked"):  # excluded and admitted
        seal(store, replace(good, blocked=blocked(findings(file="no such file"))))
    with pytest.raises(ValueError, match="for every row"):
        seal(store, replace(good, splits=corpus.rows["split"][1:]))
