"""A base is what git says it was: exactly these bytes, nothing that runs, nothing outside, and never "nothing new"."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.data.revision import checkout, find_base
from gate.errors import InputError, UsageError

Git = Callable[..., str]
ROW = '{"prompt": "Which gate?", "completion": "Number four."}\n'


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Runs git in an empty repository at `repo`, without anybody's settings."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    repository = tmp_path / "repo"
    repository.mkdir()

    def run(*arguments: str, at: Path = repository) -> str:
        person = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always")
        done = subprocess.run(["git", *person, *arguments], cwd=at, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "-q", "-b", "main")
    return run


@pytest.fixture
def repo(tmp_path: Path, git: Git) -> Path:
    """A repository with one committed dataset."""
    repository = tmp_path / "repo"
    (repository / "data").mkdir()
    (repository / "data/train.jsonl").write_text(ROW)
    (repository / "README.md").write_text("# card\n")
    (repository / "other.txt").write_text("not asked for\n")
    commit(git)
    return repository


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


def commit(git: Git, message: str = "data") -> str:
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", message)
    return git("rev-parse", "HEAD")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_the_asked_paths_as_they_were_with_their_cards(repo: Path, into: Path, git: Git) -> None:
    sha = git("rev-parse", "HEAD")
    (repo / "data/train.jsonl").write_text("changed\n")
    (repo / "data/new.jsonl").write_text("new\n")
    git("add", "-A")  # an index that says something else
    base = checkout("HEAD", [repo / "data"], into)
    assert base.commit == sha
    assert base.places == {repo / "data": into / "data"}
    assert files(into) == {"data/train.jsonl", "README.md"}
    assert (into / "data/train.jsonl").read_text() == ROW


def test_further_files_can_be_written(repo: Path, into: Path) -> None:
    base = checkout("main", [repo / "data/train.jsonl"], into)
    base.write(["other.txt", "README.md"])
    assert (into / "other.txt").read_text() == "not asked for\n"


def test_a_path_that_the_base_does_not_have_is_all_new_but_not_all_of_them(repo: Path, into: Path) -> None:
    (repo / "more").mkdir()
    base = checkout("main", [repo / "data", repo / "more"], into)
    assert base.places[repo / "more"] is None
    with pytest.raises(InputError, match="has nothing at more"):
        checkout("main", [repo / "more"], into)


def test_a_glob_is_matched_in_the_base(repo: Path, into: Path, git: Git) -> None:
    (repo / "data/deep").mkdir()
    (repo / "data/deep/b.jsonl").write_text(ROW)
    (repo / "data/notes.csv").write_text("a,b\n")
    commit(git)
    checkout("main", [repo / "data/**/*.jsonl"], into)
    assert files(into / "data") == {"train.jsonl", "deep/b.jsonl"}


@pytest.mark.parametrize("revision", ["gone", "main:data", "deadbeef", "main..main", "origin/main"])
def test_a_revision_that_is_not_there_is_an_error_with_a_remedy(repo: Path, into: Path, revision: str) -> None:
    with pytest.raises(InputError, match="git fetch origin main"):
        checkout(revision, [repo / "data"], into)


@pytest.mark.parametrize("revision", ["--output=x", "-p", "", "a\nb", "a\0b"])
def test_a_revision_is_never_an_option(repo: Path, into: Path, revision: str) -> None:
    with pytest.raises(UsageError):
        checkout(revision, [repo / "data"], into)
    with pytest.raises(UsageError):
        find_base(revision, [repo / "data"])


def test_a_shallow_clone_says_so(repo: Path, into: Path, tmp_path: Path, git: Git) -> None:
    old = git("rev-parse", "HEAD")
    (repo / "data/train.jsonl").write_text(ROW * 2)
    commit(git)
    git("clone", "-q", "--depth", "1", repo.as_uri(), str(tmp_path / "clone"))
    with pytest.raises(InputError, match=r"shallow clone(.|\n)*fetch-depth: 0"):
        checkout(old, [tmp_path / "clone/data"], into)
    assert (checkout("HEAD", [tmp_path / "clone/data"], into).root / "data/train.jsonl").read_text() == ROW * 2


def test_outside_a_repository(tmp_path: Path, into: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match="no git repository"):
        checkout("main", [tmp_path / "data"], into)


def test_nothing_of_the_repository_runs(repo: Path, into: Path, git: Git, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    script.chmod(0o755)
    (repo / ".gitattributes").write_text("*.jsonl filter=evil diff=evil export-subst ident\n")
    (repo / "data/train.jsonl").write_text('{"text": "$Id$ $Format:%H$"}\n')
    commit(git)
    for key in ("filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "core.fsmonitor", "core.sshCommand"):
        git("config", key, str(script))
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        (repo / ".git/hooks").mkdir(exist_ok=True)
        os.link(script, repo / ".git/hooks" / hook)
    checkout("main", [repo / "data"], into)
    assert not ran.exists()
    assert (into / "data/train.jsonl").read_text() == '{"text": "$Id$ $Format:%H$"}\n'


def test_variables_for_another_git_are_not_heard(repo: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    assert checkout("main", [repo / "data"], into).commit


def test_replaced_objects_are_not_believed(repo: Path, into: Path, git: Git) -> None:
    old = git("rev-parse", "HEAD")
    (repo / "data/train.jsonl").write_text(ROW * 3)
    git("replace", old, commit(git))
    checkout(old, [repo / "data"], into)
    assert (into / "data/train.jsonl").read_text() == ROW


def test_links_and_submodules_are_passed_over(repo: Path, into: Path, tmp_path: Path, git: Git) -> None:
    (tmp_path / "secret.jsonl").write_text("secret\n")
    (repo / "data/link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    git("init", "-q", "-b", "main", str(tmp_path / "inner"))
    git("commit", "-q", "--allow-empty", "-m", "inner", at=tmp_path / "inner")
    git("submodule", "--quiet", "add", (tmp_path / "inner").as_uri(), "data/inner")
    commit(git)
    base = checkout("main", [repo / "data"], into)
    base.write(base.tree)  # not even where somebody asks for everything
    assert files(into / "data") == {"train.jsonl"}


def test_data_that_is_a_link_is_an_error(repo: Path, into: Path, tmp_path: Path, git: Git) -> None:
    (tmp_path / "outside").mkdir()
    (repo / "away").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="leads out of the repository"):
        checkout("main", [repo / "away"], into)
    (repo / "alias").symlink_to("data")
    commit(git)
    with pytest.raises(InputError, match="is a link"):
        checkout("main", [repo / "alias"], into)


@pytest.mark.parametrize("name", ["..", ".git", "a\\b"])
def test_a_crafted_tree_cannot_write_outside(repo: Path, into: Path, git: Git, name: str) -> None:
    blob = git("hash-object", "-w", "README.md")

    def tree(line: bytes) -> str:
        done = subprocess.run(["git", "mktree", "-z"], cwd=repo, input=line, check=True, capture_output=True)
        return done.stdout.decode().strip()

    # git itself refuses to read some of these names; whatever it lets through must not be written.
    inner = tree(f"100644 blob {blob}\tpwned.jsonl".encode() + b"\0")
    middle = tree(f"040000 tree {inner}\t{name}".encode() + b"\0")
    top = tree(f"040000 tree {middle}\tdata".encode() + b"\0")
    git("update-ref", "refs/heads/crafted", git("commit-tree", top, "-m", "crafted"))
    with pytest.raises(InputError):
        checkout("crafted", [repo / "data"], into)
    assert not list(into.parent.rglob("pwned.jsonl"))


def _pointer(content: bytes) -> tuple[str, str]:
    sha = hashlib.sha256(content).hexdigest()
    return sha, f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize {len(content)}\n"


def test_a_git_lfs_pointer_is_fetched_from_this_machine_or_told(repo: Path, into: Path, git: Git) -> None:
    content = ROW.encode() * 100
    sha, pointer = _pointer(content)
    (repo / "data/big.jsonl").write_text(pointer)
    commit(git)
    with pytest.raises(InputError, match=r"big\.jsonl.*Git LFS pointer(.|\n)*git lfs fetch"):
        checkout("main", [repo / "data"], into)
    stored = repo / ".git/lfs/objects" / sha[:2] / sha[2:4] / sha
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"somebody else's bytes")
    second = into / "second"
    second.mkdir()
    with pytest.raises(InputError, match="Git LFS pointer"):
        checkout("main", [repo / "data"], second)
    stored.write_bytes(content)
    third = into / "third"
    third.mkdir()
    checkout("main", [repo / "data"], third)
    assert (third / "data/big.jsonl").read_bytes() == content


def test_what_a_base_is(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git) -> None:
    monkeypatch.chdir(repo)
    data = [repo / "data"]
    assert find_base("main", data).kind == "revision"
    assert find_base("./data", data).kind == "path"
    assert find_base(str(tmp_path), data).kind == "path"
    (repo / "main").mkdir()
    assert find_base("main", data).kind == "revision"  # a folder cannot stand in the way of a branch
    (repo / "origin/main").mkdir(parents=True)
    with pytest.raises(InputError, match=r"--base \./origin/main"):  # nor in the way of one that was not fetched
        find_base("origin/main", data)
    with pytest.raises(InputError, match="compare with"):
        find_base("./gone", data)
    with pytest.raises(UsageError, match="snapshots"):
        find_base("snapshot:abc", data)


def test_outside_a_repository_a_folder_needs_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    assert find_base("old", [tmp_path]).kind == "path"
    with pytest.raises(InputError, match="no git repository"):
        find_base("main", [tmp_path])


def test_what_is_copied_from_the_working_tree_is_what_was_committed(repo: Path, into: Path) -> None:
    other = ROW.replace("four", "nine")  # of the same length
    (repo / "data/train.jsonl").write_text(other)
    checkout("main", [repo / "data"], into)
    assert (into / "data/train.jsonl").read_text() == ROW


def test_a_link_in_the_working_tree_is_not_read(repo: Path, into: Path, tmp_path: Path) -> None:
    (tmp_path / "same.jsonl").write_text(ROW)
    (repo / "data/train.jsonl").unlink()
    (repo / "data/train.jsonl").symlink_to(tmp_path / "same.jsonl")
    checkout("main", [repo / "data"], into)
    assert not (into / "data/train.jsonl").is_symlink()
    assert (into / "data/train.jsonl").read_text() == ROW


def test_a_repository_of_sha_256_objects(tmp_path: Path, into: Path, git: Git) -> None:
    place = tmp_path / "modern"
    git("init", "-q", "-b", "main", "--object-format=sha256", str(place))
    (place / "kept.jsonl").write_text(ROW)
    (place / "gone.jsonl").write_text(ROW * 2)
    git("add", "-A", at=place)
    git("commit", "-q", "-m", "data", at=place)
    (place / "gone.jsonl").unlink()
    base = checkout("main", [place], into)
    assert len(base.commit) == 64
    assert [(into / name).read_text() for name in ("kept.jsonl", "gone.jsonl")] == [ROW, ROW * 2]
