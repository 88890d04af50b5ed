"""Files of a store are whole or not there, whoever else writes, and whatever the disk says."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.store.objects import Damaged, Store, StoreError, find_store, hash_file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / ".gate")


def leftovers(store: Store) -> list[Path]:
    return list(store.root.glob("**/.*"))


def put_many(root: Path, start: multiprocessing.Event) -> None:
    start.wait()
    for number in range(40):
        Store(root).put(b"%d" % number * 5000, "json")


def test_processes_put_the_same_objects_at_once(store: Store) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Event()
    writers = [context.Process(target=put_many, args=(store.root, start)) for _ in range(4)]
    for writer in writers:
        writer.start()
    start.set()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    kept = list(store.objects())
    assert len(kept) == 40
    for each in kept:
        store.verified(each.digest, each.kind)
    assert leftovers(store) == []


def take_numbers(root: Path, who: int, start: multiprocessing.Event, taken: multiprocessing.Queue) -> None:
    store, mine = Store(root), []
    start.wait()
    while len(mine) < 20:
        number = max(store.refs().get("desk", [0])) + 1
        while not store.put_ref("desk", number, b"%d-%d" % (who, len(mine))):
            number += 1
        mine.append(number)
    taken.put((who, mine))


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_eight_processes_number_refs_without_a_lost_or_doubled_one(
    store: Store, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    context = multiprocessing.get_context("fork")
    start, taken = context.Event(), context.Queue()
    writers = [context.Process(target=take_numbers, args=(store.root, who, start, taken)) for who in range(8)]
    for writer in writers:
        writer.start()
    start.set()
    owners = {
        number: (who, turn)
        for who, mine in (taken.get(timeout=60) for _ in writers)
        for turn, number in enumerate(mine)
    }
    for writer in writers:
        writer.join()
    assert len(owners) == 160
    assert store.refs()["desk"] == sorted(owners)
    if links:  # a number may be left out where a claim stood in the way, which loses nobody's
        assert store.refs()["desk"] == list(range(1, 161))
    for number, (who, turn) in owners.items():
        assert store.ref_path("desk", number).read_bytes() == b"%d-%d" % (who, turn)
    assert leftovers(store) == []


def no_links(path: Path, target: Path) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM), os.fspath(path))


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_a_file_system_without_hard_links(store: Store, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    digest = store.put(b"rows", "json")
    assert store.put(b"rows", "json") == digest
    assert store.read(digest, "json") == b"rows"
    assert store.put_ref("desk", 1, b"first")
    assert not store.put_ref("desk", 1, b"second")
    assert store.ref_path("desk", 1).read_bytes() == b"first"
    with store.scratch() as path:
        path.write_bytes(b"large")
        kept = store.put_file(path, "parquet")
    assert store.read(kept.digest, "parquet") == b"large"
    assert leftovers(store) == []


def test_another_error_of_a_link_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(StoreError, match="input/output error"):
        store.put(b"rows", "json")
    assert leftovers(store) == []


def test_a_full_disk_is_a_sentence_and_leaves_nothing(store: Store) -> None:
    code = f"""
        import resource, signal
        from pathlib import Path
        from gate.store.objects import Store, StoreError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        store = Store(Path({os.fspath(store.root)!r}))
        for put in (lambda: store.put(bytes(1 << 20), "json"), lambda: large(store)):
            try:
                put()
            except StoreError as error:
                print(error)
    """
    code = textwrap.dedent(code).replace("for put in", LARGE + "for put in")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("there is no room left") == 2, done
    assert done.stdout.count("make room, or name another store with --store") == 2
    assert list(store.objects()) == []
    assert leftovers(store) == []


LARGE = """
def large(store):
    with store.scratch() as path:
        path.write_bytes(bytes(1 << 20))
        store.put_file(path, "parquet")
"""


def test_a_folder_that_may_not_be_written_to(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def refuse(path: Path, mode: str = "r", *rest: object) -> object:
        if "x" in mode:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))
        return real(path, mode, *rest)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)  # root may write anywhere, so that a mode would prove nothing
    with pytest.raises(StoreError, match=r"it cannot be written \(read-only file system\)") as told:
        store.put(b"rows", "json")
    assert told.value.exit_code == 2


def test_an_object_that_was_damaged_is_written_anew(store: Store) -> None:
    digest = store.put(b"rows", "json")
    path = store.path(digest, "json")
    path.write_bytes(b"rowz")
    with pytest.raises(Damaged, match="not what its name says"):
        store.read(digest, "json")
    assert store.put(b"rows", "json") == digest
    assert store.read(digest, "json") == b"rows"
    path.write_bytes(b"")
    with store.scratch() as scratch:
        scratch.write_bytes(b"rows")
        store.put_file(scratch, "json")
    assert store.read(digest, "json") == b"rows"
    assert leftovers(store) == []


def test_a_ref_is_never_written_anew(store: Store) -> None:
    assert store.put_ref("desk", 1, b"first")
    assert not store.put_ref("desk", 1, b"second")
    assert store.ref_path("desk", 1).read_bytes() == b"first"


@pytest.mark.parametrize("made", ["link", "dangling", "folder", "pipe"])
def test_what_is_no_plain_file_is_no_object(store: Store, made: str, tmp_path: Path) -> None:
    digest = store.put(b"rows", "json")
    path = store.path(digest, "json")
    path.unlink()
    (tmp_path / "elsewhere").write_bytes(b"rows")
    match made:
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
        case "dangling":
            path.symlink_to(tmp_path / "nowhere")
        case "folder":
            path.mkdir()
        case _:
            os.mkfifo(path)
    signal.alarm(10)  # a pipe that is waited for would never end
    try:
        for look in (store.read, store.verified):
            with pytest.raises(Damaged) as told:
                look(digest, "json")
            assert store.name(path) in str(told.value)
        with pytest.raises(OSError):
            hash_file(path)
        assert list(store.objects()) == []
    finally:
        signal.alarm(0)
    if made == "folder":
        with pytest.raises(StoreError):
            store.put(b"rows", "json")
    else:
        store.put(b"rows", "json")
        assert store.read(digest, "json") == b"rows"
        assert (tmp_path / "elsewhere").read_bytes() == b"rows"


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a..b", "A", "x" * 65, "a\n", "/etc"])
def test_names_that_are_none(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a dataset"):
        store.put_ref(name, 1, b"")


@pytest.mark.parametrize("digest", ["../../../etc/passwd", "0" * 63, "0" * 65, "G" * 64, "0" * 64 + "\n"])
def test_digests_that_are_none(store: Store, digest: str) -> None:
    for look in (
        lambda: store.path(digest, "json"),
        lambda: store.statement(digest),
        lambda: store.read(digest, "json"),
    ):
        with pytest.raises(Damaged, match="not the name of"):
            look()


def test_a_statement_that_is_too_large_is_not_read_whole(store: Store) -> None:
    digest = store.put_statement(b"{}")
    path = store.statement_path(digest)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a file of nothing, of a terabyte
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Damaged, match="not what its name says"):
        store.statement(digest)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_formats(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        Store(tmp_path / ".gate")
    store = Store.create(tmp_path / ".gate")
    assert Store.create(tmp_path / ".gate").root == store.root
    for content, said in (
        (b'{"format": 2}', "has format 2, and this gate knows format 1"),
        (b'{"format": "1"}', "has format 1"),
        (b"{", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"\xff", "cannot be read"),
    ):
        (store.root / "format.json").write_bytes(content)
        with pytest.raises(StoreError, match=said):
            Store(store.root)
    (store.root / "format.json").unlink()
    (store.root / "objects").mkdir()
    with pytest.raises(StoreError, match=r"no format\.json") as told:
        Store(store.root)
    assert told.value.remedy == "run `gate store migrate`"


def test_outside_of_a_repository_it_is_where_commands_are_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, elsewhere = tmp_path / "work" / "data", tmp_path / "elsewhere"
    data.mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.delenv("GATE_STORE", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    assert find_store(data) == find_store(Path()) == (tmp_path / "work" / ".gate").resolve()
    assert find_store(elsewhere) == (elsewhere / ".gate").resolve()
    Store.create(data / ".gate")
    assert find_store(data) == (data / ".gate").resolve()  # one that is there is nearer
