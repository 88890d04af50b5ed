"""Paths: what a person may give, what is passed over, and what cannot be judged at all."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gate.data.read import read
from gate.data.splits import split_of_path
from gate.errors import InputError

ROW = '{"text": "a"}\n'


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(ROW)


def files(*paths: object) -> list[str]:
    return [one.path for one in read([str(path) for path in paths]).files]


def test_a_folder_is_read_through_and_through_in_a_fixed_order(tmp_path: Path) -> None:
    write(tmp_path, "b.jsonl", "a/z.jsonl", "a/b/c.jsonl", "a.jsonl")
    assert files(tmp_path) == ["a.jsonl", "a/b/c.jsonl", "a/z.jsonl", "b.jsonl"]


def test_paths_are_relative_to_what_was_given(tmp_path: Path) -> None:
    write(tmp_path, "d/x/a.jsonl", "d/y/b.jsonl")
    assert files(tmp_path / "d/x/a.jsonl") == ["a.jsonl"]
    assert files(tmp_path / "d/y/b.jsonl", tmp_path / "d/x/a.jsonl") == ["x/a.jsonl", "y/b.jsonl"]
    assert files(tmp_path / "d/x", tmp_path / "d/y") == ["x/a.jsonl", "y/b.jsonl"]
    assert files(tmp_path / "d/*/a.jsonl") == ["x/a.jsonl"]
    assert files(tmp_path / "**/*.jsonl") == ["d/x/a.jsonl", "d/y/b.jsonl"]
    assert files(tmp_path / "d", tmp_path / "d/x/a.jsonl", tmp_path / "d/*/*") == ["x/a.jsonl", "y/b.jsonl"]


def test_a_path_with_brackets_that_exists_is_no_pattern(tmp_path: Path) -> None:
    write(tmp_path, "a[1].jsonl", "a1.jsonl")
    assert files(tmp_path / "a[1].jsonl") == ["a[1].jsonl"]


def test_what_is_no_data_is_passed_over_and_listed(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", ".hidden.jsonl", ".git/x.jsonl", "README.md", "LICENSE", "gate.yaml", "notes.txt")
    write(tmp_path, "dataset_info.json", "rules/expectations/x.json", "noext", "a.xlsx")
    (tmp_path / "settings.json").write_text('{"rate": 0.1, "names": ["x"]}')
    dataset = read([tmp_path])
    assert [one.path for one in dataset.files] == ["a.jsonl"]
    skipped = {one.path: one.reason for one in dataset.skipped}
    assert set(skipped) == {
        ".git", ".hidden.jsonl", "LICENSE", "README.md", "a.xlsx", "dataset_info.json", "gate.yaml", "noext",
        "notes.txt", "rules", "settings.json",
    }  # fmt: skip
    assert all(skipped.values())


def test_a_hidden_file_or_folder_that_is_named_is_read(tmp_path: Path) -> None:
    write(tmp_path, ".h/a.jsonl", ".b.jsonl", "noext")
    assert files(tmp_path / ".h") == ["a.jsonl"]
    assert files(tmp_path / ".b.jsonl") == [".b.jsonl"]
    assert files(tmp_path / "noext") == ["noext"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write(tmp_path, "a/a.jsonl")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nothing")
    dataset = read([tmp_path])
    assert [one.path for one in dataset.files] == ["a/a.jsonl"]
    assert {one.path for one in dataset.skipped} == {"a/loop", "b", "self", "gone.jsonl"}


def test_standard_input(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl")
    dataset = read(["-"], stdin=io.BytesIO(ROW.encode() * 3 + b"{"))
    assert (dataset.files[0].path, dataset.files[0].examples, dataset.files[0].malformed) == ("-", 3, 1)
    both = read(["-", str(tmp_path)], stdin=io.BytesIO(ROW.encode()))
    assert [one.path for one in both.files] == ["-", "a.jsonl"]
    assert read(["-"], stdin=io.BytesIO(b"")).malformed["reason"].to_list() == ["no_rows"]


def test_a_pipe_and_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(ROW,))
    writer.start()
    assert read([pipe]).examples.height == 1
    writer.join()
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl"))
    odd.write_text(ROW)
    assert files(odd) == ["\ufffd.jsonl"]


@pytest.mark.parametrize("given", ["nowhere", "nowhere/*.jsonl", "a.jsonl/b"])
def test_a_path_that_is_not_there(tmp_path: Path, given: str) -> None:
    write(tmp_path, "a.jsonl")
    with pytest.raises(InputError, match=given.replace("*", r"\*")) as error:
        read([tmp_path / given])
    assert error.value.exit_code == 2


def test_nothing_that_is_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        read([tmp_path])
    write(tmp_path, "README.md", "a.txt")
    with pytest.raises(InputError, match=r"README\.md \(documentation\)"):
        read([tmp_path])
    with pytest.raises(InputError, match="no path"):
        read([])


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder in which this process is bound by permissions: as superuser it steps down for the while."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write(folder, "warm.jsonl")
        read([folder])  # whatever is imported lazily is imported while it may be
        superuser = os.geteuid() == 0
        if superuser:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        yield folder
        folder.chmod(0o755)
        if superuser:
            os.seteuid(0)


@pytest.mark.parametrize("given", [".", "inner/locked.jsonl", "inner"])
@pytest.mark.parametrize("locked", ["inner", "inner/locked.jsonl"])
def test_no_permission(ordinary_user: Path, given: str, locked: str) -> None:
    write(ordinary_user, "inner/locked.jsonl")
    (ordinary_user / locked).chmod(0)
    try:
        with pytest.raises(InputError, match="permission denied") as error:
            read([ordinary_user / given])
        assert "inner" in str(error.value)
    finally:
        (ordinary_user / locked).chmod(0o700)


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl")
    seen: list[tuple[str, int, int]] = []
    read([tmp_path], on_file=lambda file, done, size: seen.append((file, done, size)))
    assert seen[-1] == ("a.jsonl", len(ROW), len(ROW))


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train.jsonl", "train"), ("train-00000-of-00002.parquet", "train"), ("data/test/x.jsonl", "test"),
        ("gsm8k_test.jsonl", "test"), ("val.csv", "validation"), ("dev/a.json", "validation"),
        ("eval.json", "validation"),
        ("x/validation-1.jsonl", "validation"), ("test/train.jsonl", "train"), ("latest.jsonl", None),
        ("training_data/a.json", "train"), ("train-test.jsonl", None), ("contest/a.json", None), ("TEST.JSONL", "test"),
    ],
)  # fmt: skip
def test_splits_by_whole_words_of_names(path: str, split: str | None) -> None:
    assert split_of_path(path) == split


def test_the_root_folders_own_name_counts_when_it_is_the_word(tmp_path: Path) -> None:
    write(tmp_path, "test/a.jsonl")
    assert read([tmp_path / "test"]).examples["split"].to_list() == ["test"]
