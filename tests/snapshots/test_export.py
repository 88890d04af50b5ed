"""An approved snapshot leaves the store whole, exactly and with its proof, or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any  # what JSON holds

import polars as pl
import pytest

from gate.data.frame import SPLITS
from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Revocation
from gate.provenance.trust import Untrusted, load_trust
from gate.snapshots import export as export_module
from gate.snapshots import export_files
from gate.snapshots.export import Exported, Form
from gate.snapshots.folder_export import PROOF, ExportError
from gate.snapshots.manifest import snapshot_id
from gate.snapshots.open import NotApproved, Snapshot
from gate.store.objects import Damaged, Store
from gate.verbs.admit import Admitted
from gate.verbs.snapshots import export_snapshot
from tests.snapshots.made import Admit, People, approve, chats, write_rows, write_splits

ODD = 'a "quoted"\\ line\n\ttab \u2028 \x7f \u0001 naïve 🌊 </script> {"json": 1}'
CALL = [{"id": "c1", "type": "function", "function": {"name": "tide", "arguments": {"port": "Oban", "hours": [1, 2]}}}]
TOOLS = [{"type": "function", "function": {"name": "tide", "parameters": {"type": "object"}}}]


def talk(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


@pytest.fixture(scope="module")
def store(people: People, policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`plain`: three splits of one kind. `mixed`: every kind and shape of file. Both approved."""
    from gate.verbs.admit import admit

    folder = tmp_path_factory.mktemp("exports")
    data = folder / "mixed"
    words = [row["output"] for row in chats(5, 400, 8)]
    chat: list[dict[str, object]] = [{"messages": talk(*words[2 * at : 2 * at + 2]), "topic": at} for at in range(40)]
    chat[0] = {"messages": talk(ODD, "To be kept: " + ODD), "note": ODD}
    chat[1] = {
        "messages": [
            {"role": "user", "content": "When is high tide in Oban?"},
            {"role": "assistant", "content": None, "tool_calls": CALL},
            {"role": "tool", "name": "tide", "tool_call_id": "c1", "content": "at noon"},
            {"role": "assistant", "content": "At noon."},
        ],
        "tools": TOOLS,
    }
    write_rows(data / "train" / "chat.jsonl", chat)
    (data / "train" / "pretty.json").write_text(
        json.dumps([{"question": words[100 + at], "answer": words[130 + at]} for at in range(20)], indent=2)
    )
    lines = [f'"{words[160 + at]}","{words[190 + at]}\nand more"' for at in range(20)]
    (data / "train" / "table.csv").write_text("instruction,output\n" + "\n".join(lines) + "\n")
    write_rows(
        data / "train" / "pairs.jsonl",
        [{"prompt": words[220 + at], "chosen": words[240 + at], "rejected": words[260 + at]} for at in range(20)],
    )
    write_rows(
        data / "test" / "judged.jsonl",
        [
            {"prompt": talk(words[280 + at], words[281 + at])[:1], "completion": words[300 + at], "label": at % 2 == 0}
            for at in range(20)
        ],
    )
    write_rows(data / "test" / "texts.jsonl", [{"text": words[320 + at] + ODD} for at in range(20)])
    for name, paths in (("mixed", data), ("plain", write_splits(folder / "plain", 3))):
        settings = {"signer": people.ana, "trust": people.trust, "policy": policy, "report": False}
        approve(admit(paths, name=name, store=folder / "store", **settings), people)  # type: ignore[arg-type]
    return folder / "store"


@pytest.fixture
def export(store: Path, people: People, tmp_path: Path) -> Iterator[Any]:
    def run(form: Form, what: str = "plain", out: str = "out", **options: Any) -> Exported:
        return export_snapshot(what, tmp_path / out, form, store=Store(store), trust=people.trust, **options)

    yield run
    hidden = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert not hidden, "an export leaves nothing but itself"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# What is written


def test_original_gives_the_bytes_of_json_lines_back(export: Any, store: Path, tmp_path: Path) -> None:
    export("original")
    for split in SPLITS:
        source = store.parent / "plain" / f"{split}.jsonl"
        assert (tmp_path / "out" / f"{split}.jsonl").read_bytes() == source.read_bytes()


def test_original_gives_every_record_of_other_formats_on_a_line(export: Any, store: Path, tmp_path: Path) -> None:
    export("original", "mixed")
    found = rows(tmp_path / "out" / "train.jsonl")
    lines = (tmp_path / "out" / "train.jsonl").read_bytes().split(b"\n")
    assert set((store.parent / "mixed/train/chat.jsonl").read_bytes().split(b"\n")) <= {*lines}
    for record in json.loads((store.parent / "mixed/train/pretty.json").read_text()):
        assert record in found
    assert sum(row.get("output", "").endswith("\nand more") for row in found) == 20


def test_chat_gives_what_a_trainer_takes_of_each_kind(export: Any, tmp_path: Path) -> None:
    exported = export("chat", "mixed")
    assert [file.path for file in exported.files] == [
        "chat/train.jsonl", "preference/train.jsonl", "feedback/test.jsonl", "text/test.jsonl",
    ]  # fmt: skip
    chat = rows(tmp_path / "out" / "chat" / "train.jsonl")
    assert len(chat) == 80
    assert {"messages": talk(ODD, "To be kept: " + ODD)} in chat
    (called,) = [row for row in chat if "tools" in row]
    assert called["tools"] == TOOLS
    assert called["messages"][1] == {"role": "assistant", "tool_calls": CALL}
    assert called["messages"][2] == {"role": "tool", "content": "at noon", "name": "tide", "tool_call_id": "c1"}
    for row in rows(tmp_path / "out" / "preference" / "train.jsonl"):
        assert list(row) == ["prompt", "chosen", "rejected"]
        assert [message["role"] for part in row.values() for message in part] == ["user", "assistant", "assistant"]
    for row in rows(tmp_path / "out" / "feedback" / "test.jsonl"):
        assert list(row) == ["prompt", "completion", "label"]
        assert [row["prompt"][0]["role"], row["completion"][0]["role"]] == ["user", "assistant"]
        assert isinstance(row["label"], bool)
    assert all(row["text"].endswith(ODD) for row in rows(tmp_path / "out" / "text" / "test.jsonl"))


def test_one_kind_needs_no_folder(export: Any) -> None:
    assert [file.path for file in export("chat").files] == ["train.jsonl", "validation.jsonl", "test.jsonl"]


def test_parquet_gives_every_column_and_with_them_the_id(export: Any, store: Path, tmp_path: Path) -> None:
    exported = export("parquet", "mixed")
    frames = [pl.read_parquet(tmp_path / "out" / file.path) for file in exported.files]
    proof = json.loads((tmp_path / "out" / PROOF).read_text())
    assert snapshot_id(frames, proof["policy"], proof["major"]) == exported.snapshot == proof["snapshot"]
    (odd,) = [row for frame in frames for row in frame.filter(pl.col("meta").is_not_null()).to_dicts()
              if "note" in json.loads(row["meta"])]  # fmt: skip
    assert odd["messages"][0]["content"] == ODD
    assert odd["file"] == "train/chat.jsonl"


def test_preferences_without_any_prompt_have_no_such_column(admitted: Admit, people: People, tmp_path: Path) -> None:
    words = [row["output"] for row in chats(11, 200, 8)]
    rows = [{"chosen": words[at], "rejected": words[at + 100]} for at in range(100)]
    write_rows(tmp_path / "data" / "train.jsonl", rows)
    one = admitted(tmp_path / "data")
    approve(one, people)
    for form in ("chat", "datasets"):
        export_snapshot("harbour", tmp_path / form, form, store=Store(one.store), trust=people.trust)  # type: ignore[arg-type]
    found = [json.loads(line) for path in (tmp_path / "chat").glob("*.jsonl") for line in path.open()]
    assert len(found) == 100
    assert all(set(row) == {"chosen", "rejected"} for row in found)
    for path in (tmp_path / "datasets" / "data").glob("*.parquet"):
        assert list(pl.read_parquet_schema(path)) == ["id", "chosen", "rejected"]


LOAD = """
import json, sys
import datasets
loaded = {name: datasets.load_dataset(sys.argv[1], name, cache_dir=sys.argv[2]) for name in sys.argv[3:]}
loaded[""] = datasets.load_dataset(sys.argv[1], cache_dir=sys.argv[2])
print(json.dumps({name: {split: rows.to_list() for split, rows in each.items()} for name, each in loaded.items()}))
"""


def load(folder: Path, *names: str) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What the datasets library makes of a folder, offline and with sockets forbidden."""
    from tests.test_offline import FORBIDDING

    site = folder.parent / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(FORBIDDING)
    attempts = folder.parent / "attempts"
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder.parent / "home"),
        "PYTHONPATH": str(site), "GATE_TEST_ATTEMPTS": str(attempts),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), str(folder.parent / "hf"), *names],
        env=environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert not attempts.exists(), attempts.read_text()
    loaded: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(done.stdout)
    return loaded


def test_the_datasets_library_loads_the_folder_with_its_splits(export: Any, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    export("datasets", "mixed")
    loaded = load(tmp_path / "out", "chat", "preference", "feedback", "text")
    assert {name: {split: len(found) for split, found in each.items()} for name, each in loaded.items()} == {
        "": {"train": 80},  # the kind with the most rows
        "chat": {"train": 80},
        "preference": {"train": 20},
        "feedback": {"test": 20},
        "text": {"test": 20},
    }
    (called,) = [row for row in loaded["chat"]["train"] if row["tools"]]
    assert called["tools"] == TOOLS
    assert called["messages"][1]["tool_calls"] == CALL
    assert any(row["messages"][0]["content"] == ODD for row in loaded["chat"]["train"])
    assert set(loaded["preference"]["train"][0]["prompt"][0]) == {"role", "content"}, "no field that nobody has"


def test_a_folder_of_one_kind_loads_as_it_is(export: Any, store: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    export("datasets")
    loaded = load(tmp_path / "out")[""]
    assert {split: len(found) for split, found in loaded.items()} == {"train": 60, "validation": 20, "test": 20}
    first = json.loads((store.parent / "plain/train.jsonl").read_text().split("\n")[0])
    assert loaded["train"][0]["messages"] == talk(first["instruction"], first["output"])


def test_exports_carry_their_proof_and_are_the_same_twice(export: Any, people: People, tmp_path: Path) -> None:
    for form in export_module.FORMS:
        exported = export(form, "mixed", f"{form}-1")
        export(form, "mixed", f"{form}-2")
        found = digests(tmp_path / f"{form}-1")
        assert found == digests(tmp_path / f"{form}-2")
        proof = json.loads((tmp_path / f"{form}-1" / PROOF).read_text())
        assert {file["path"]: file["sha256"] for file in proof["files"]} | {PROOF: found[PROOF]} == found
        assert proof["rows"] == exported.rows == 140
        assert proof["trust"] == people.trust.digest
        assert len(proof["statements"]["approvals"]) == 1


def test_rows_are_the_same_whatever_the_size_of_row_groups(export: Any, tmp_path: Path, monkeypatch: Any) -> None:
    export("parquet", out="one")
    monkeypatch.setattr("gate.snapshots.export_parquet.ROW_GROUP", 1)
    export("parquet", out="many")
    for split in SPLITS:
        whole = pl.read_parquet(tmp_path / "one" / f"{split}.parquet")
        assert whole.equals(pl.read_parquet(tmp_path / "many" / f"{split}.parquet"))


def test_gate_passes_over_what_it_wrote_beside_the_rows(export: Any, tmp_path: Path) -> None:
    from gate.data.find import find_sources

    export("original")
    export("original", out="one/train.jsonl", split="train")
    assert {source.file for source in find_sources([tmp_path]).sources} == {
        "out/train.jsonl", "out/validation.jsonl", "out/test.jsonl", "one/train.jsonl",
    }  # fmt: skip


# One split, one file


def test_a_split_can_be_a_file(export: Any, store: Path, tmp_path: Path) -> None:
    exported = export("original", out="val.jsonl", split="validation")
    assert (tmp_path / "val.jsonl").read_bytes() == (store.parent / "plain/validation.jsonl").read_bytes()
    proof = json.loads((tmp_path / f"val.jsonl.{PROOF}").read_text())
    assert [file["path"] for file in proof["files"]] == ["val.jsonl"]
    assert exported.rows == 20
    assert oct((tmp_path / "val.jsonl").stat().st_mode) == oct((tmp_path / f"val.jsonl.{PROOF}").stat().st_mode)


def test_several_splits_or_kinds_are_no_file(export: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one file cannot hold the splits"):
        export("chat", out="all.jsonl")
    with pytest.raises(UsageError, match="several kinds"):
        export("chat", "mixed", "train.jsonl", split="train")
    assert not list(tmp_path.iterdir())


def test_a_split_that_is_not_there_is_told(export: Any) -> None:
    with pytest.raises(UsageError, match="no split 'validation'"):
        export("chat", "mixed", split="validation")


# Where it goes


def test_a_folder_with_something_in_it_is_left_alone(export: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        export("chat")
    with pytest.raises(UsageError, match="no export of gate's"):
        export("chat", force=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_force_replaces_an_older_export_and_nothing_that_was_put_beside_it(export: Any, tmp_path: Path) -> None:
    export("original")
    with pytest.raises(UsageError, match="--force"):
        export("chat")
    export("chat", force=True)
    assert set(rows(tmp_path / "out" / "train.jsonl")[0]) == {"messages"}
    (tmp_path / "out" / "notes").mkdir()
    (tmp_path / "out" / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes/mine\.txt"):
        export("original", force=True)
    assert (tmp_path / "out" / "notes" / "mine.txt").read_text() == "mine"


def test_a_file_is_replaced_with_force_only(export: Any, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("mine")
    with pytest.raises(UsageError, match="a file already"):
        export("chat", out="train.jsonl", split="train")
    export("chat", out="train.jsonl", split="train", force=True)
    assert rows(tmp_path / "train.jsonl")


def test_an_export_lies_behind_a_link_that_points_at_an_empty_folder(export: Any, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    export("chat")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "real" / PROOF).exists()


def test_nothing_goes_into_the_store(store: Path, people: People) -> None:
    with pytest.raises(UsageError, match="in the store"):
        export_snapshot("plain", store / "objects" / "out", "chat", store=Store(store), trust=people.trust)


def test_a_full_disk_leaves_nothing(export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, examples: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export_files._LineFile, "add", full)
    with pytest.raises(ExportError, match="no room left"):
        export("chat", out="new/folders/out")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_under_a_parquet_file_leaves_nothing(
    export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, table: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gate.snapshots.export_parquet.ParquetFile._write", full)
    with pytest.raises(ExportError, match="no room left"):
        export("parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", export_module.FORMS)
def test_an_interrupted_export_leaves_nothing(
    export: Any, form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def interrupted(*arguments: object) -> bytes:
        calls.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(export_module, "proof", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(form, out="a/b")
    assert calls
    assert not list(tmp_path.iterdir())


def test_a_replaced_export_comes_back_when_the_new_one_cannot_take_its_place(
    export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export("original")
    before = digests(tmp_path / "out")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.startswith(".out.gate-export-") and not self.name.endswith(".old"):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ExportError, match="not permitted"):
        export("chat", force=True)
    assert digests(tmp_path / "out") == before


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that cannot be renamed, as where a disk is mounted."""
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: self == folder)
    return folder


def test_a_mounted_folder_is_filled_and_stays_the_same_folder(export: Any, mounted: Path) -> None:
    inode = mounted.stat().st_ino
    export("original")
    first = digests(mounted)
    assert PROOF in first
    with pytest.raises(UsageError, match="--force"):
        export("chat")
    export("chat", force=True)
    assert digests(mounted) != first
    assert mounted.stat().st_ino == inode
    assert not [path.name for path in mounted.iterdir() if path.name.startswith(".")]


def test_a_mounted_folder_is_as_it_was_when_moving_fails(
    export: Any, mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export("original")
    before = digests(mounted)
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == PROOF and Path(target).parent == mounted and not self.parent.name.endswith(".old"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ExportError, match="input/output error"):
        export("chat", force=True)
    assert digests(mounted) == before


@pytest.mark.parametrize(("form", "out"), [("parquet", "a.jsonl"), ("chat", "a.parquet"), ("datasets", "a.csv")])
def test_a_file_of_another_format_is_no_folder(export: Any, tmp_path: Path, form: Form, out: str) -> None:
    with pytest.raises(UsageError, match="writes no"):
        export(form, out=out, split="train")
    assert not list(tmp_path.iterdir())


def test_rows_that_go_missing_on_the_way_are_noticed(
    export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = Snapshot.examples
    monkeypatch.setattr(
        Snapshot, "examples", lambda self, *arguments: (frame.slice(1) for frame in examples(self, *arguments))
    )
    with pytest.raises(Damaged, match="not those that were admitted"):
        export("chat")
    assert not list(tmp_path.iterdir())


# What may be exported


def test_only_what_is_approved_leaves(admitted: Admit, people: People, tmp_path: Path) -> None:
    waiting: Admitted = admitted(write_splits(tmp_path / "data", 8))
    store, ledger = Store(waiting.store), Ledger(Store(waiting.store))

    def run() -> Exported:
        return export_snapshot("harbour", tmp_path / "out", "chat", store=store, trust=people.trust)

    with pytest.raises(NotApproved, match="waiting"):
        run()
    approve(waiting, people)
    run()
    ledger.say(Revocation(snapshot=waiting.snapshot, why="A person asked."), people.ben)
    (tmp_path / "out").rename(tmp_path / "older")
    with pytest.raises(NotApproved, match="revoked"):
        run()
    assert not (tmp_path / "out").exists()


def test_somebody_elses_trust_exports_nothing(store: Path, people: People, tmp_path: Path) -> None:
    from gate.provenance.keys import public_text

    line = f"  - {{name: eve, public: {public_text(people.eve.public)}, roles: [owner, reviewer]}}\n"
    (tmp_path / "trust.yaml").write_text("keys:\n" + line)
    with pytest.raises(Untrusted):
        export_snapshot(
            "plain", tmp_path / "out", "chat", store=Store(store), trust=load_trust(tmp_path / "trust.yaml")
        )
    assert not (tmp_path / "out").exists()


def test_an_object_that_is_swapped_under_way_is_not_exported(
    admitted: Admit, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = admitted(write_splits(tmp_path / "data", 9))
    approve(one, people)
    victim = max((one.store / "objects").glob("??/*.parquet"), key=lambda path: path.stat().st_size)
    opened = export_module.growing

    def swap(*arguments: Any, **options: Any) -> Any:  # after everything was verified, before anything is written
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.chmod(0o644)
        victim.write_bytes(content)
        return opened(*arguments, **options)

    monkeypatch.setattr(export_module, "growing", swap)
    with pytest.raises(Damaged, match="not what its name says"):
        export_snapshot("harbour", tmp_path / "out", "chat", store=Store(one.store), trust=people.trust)
    assert not (tmp_path / "out").exists()


def test_a_number_of_a_name_is_what_it_stood_for(admitted: Admit, people: People, tmp_path: Path) -> None:
    first = admitted(write_splits(tmp_path / "one", 1))
    second = admitted(write_splits(tmp_path / "two", 2))
    for each in (first, second):
        approve(each, people)
    store = Store(first.store)
    for number, each in ((1, first), (2, second)):
        done = export_snapshot(f"harbour@{number}", tmp_path / str(number), "chat", store=store, trust=people.trust)
        assert done.snapshot == each.snapshot
    with pytest.raises(UsageError, match="no number 3"):
        export_snapshot("harbour@3", tmp_path / "3", "chat", store=store, trust=people.trust)
