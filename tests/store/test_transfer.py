"""`gate store push` and `pull`: only what is missing, in an order that readers can trust, and nothing that is not what
its name says."""

from __future__ import annotations

import hashlib
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from gate.errors import GateError, MissingDependency, UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Erasure
from gate.store.objects import Damaged, Store, StoreError
from gate.store.remote import Local, Remote, open_side
from gate.store.transfer import copy
from gate.verbs.store import checked, parse
from gate.verbs.store_moves import pulled, pushed
from tests.conftest import Gate
from tests.store.conftest import Sealed


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield
    MemoryFileSystem.store.clear()


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "empty" / ".gate")


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def addresses(tmp_path: Path) -> dict[str, str]:
    return {
        "folder": str(tmp_path / "remote"),
        "file": f"file://{tmp_path}/remote",
        "memory": "memory://team/gate",
        "dir": "dir::memory://team/deep/gate",
    }


@pytest.mark.parametrize("kind", ["folder", "file", "memory", "dir"])
def test_there_and_back(sealed: Sealed, empty: Store, tmp_path: Path, kind: str) -> None:
    url = addresses(tmp_path)[kind]
    sent = pushed(sealed.store, url)
    assert (sent.objects, sent.statements, sent.refs) == (len(list(sealed.store.objects())), 2, 1)
    assert sent.bytes == sum(each.bytes for each in sealed.store.objects())
    again = pushed(sealed.store, url)
    assert (again.objects, again.statements, again.refs, again.bytes, again.conflicts) == (0, 0, 0, 0, ())
    got = pulled(empty, url)
    assert (got.objects, got.statements, got.refs) == (sent.objects, 2, 1)
    assert contents(empty.root) == contents(sealed.root)
    assert checked(empty).problems == ()
    assert pulled(empty, url).objects == 0


def test_only_what_is_missing(sealed: Sealed) -> None:
    pushed(sealed.store, "memory://team")
    sealed.admit(1)
    sent = pushed(sealed.store, "memory://team")
    assert (sent.statements, sent.refs) == (1, 1)
    assert 0 < sent.objects < len(list(sealed.store.objects()))


def test_from_an_archive(sealed: Sealed, empty: Store, tmp_path: Path) -> None:
    archive = tmp_path / "store.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in contents(sealed.root).items():
            file.writestr(f"team/{name}", content)
    got = pulled(empty, f"zip://team::{archive}")
    assert got.refs == 1
    assert contents(empty.root) == contents(sealed.root)
    sealed.admit(1)
    with pytest.raises(StoreError, match="cannot be written"):
        pushed(sealed.store, f"zip://team::{archive}")


def test_objects_come_first_then_statements_then_refs(sealed: Sealed, empty: Store) -> None:
    class Watched(Local):
        def write(self, name: str, pieces: Iterator[bytes], size: int) -> bool:
            written.append(name.partition("/")[0])
            return super().write(name, pieces, size)

    written: list[str] = []
    copy(Local(sealed.store), Watched(empty), read=parse)
    assert written == sorted(written, key=["objects", "statements", "refs"].index)
    assert set(written) == {"objects", "statements", "refs"}


def test_a_transfer_that_breaks_off_leaves_whole_files_and_goes_on(sealed: Sealed, empty: Store) -> None:
    class Breaking(Local):
        def read(self, name: str, size: int) -> Iterator[bytes]:
            if name.startswith("objects/") and name == last:
                yield b"half"
                raise Damaged("the line is dead", where=name)
            yield from super().read(name, size)

    source = Breaking(sealed.store)
    last = max(source.files("objects"))
    with pytest.raises(Damaged, match="the line is dead"):
        copy(source, Local(empty), read=parse)
    assert empty.statements() == []
    assert empty.refs() == {}
    assert not (empty.root / last).exists()
    assert [path for path in empty.root.rglob("*") if path.name.endswith(".tmp")] == []
    for each in empty.objects():
        empty.verified(each.digest, each.kind)
    copy(Local(sealed.store), Local(empty), read=parse)
    assert contents(empty.root) == contents(sealed.root)


def test_an_interruption_stops_what_is_under_way(sealed: Sealed, empty: Store) -> None:
    def interrupt(done: int, total: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(Local(sealed.store), Local(empty), read=parse, on_bytes=interrupt)
    assert empty.statements() == []
    assert [path for path in empty.root.rglob("*") if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize("part", ["objects", "statements", "refs"])
@pytest.mark.parametrize("where", ["folder", "memory"])
def test_a_file_that_is_not_what_its_name_says_never_arrives(
    sealed: Sealed, empty: Store, tmp_path: Path, part: str, where: str
) -> None:
    url = addresses(tmp_path)[where]
    pushed(sealed.store, url)
    fs, root = fsspec.url_to_fs(url)
    path = sorted(fs.find(f"{root}/{part}"))[0]
    whole = fs.cat_file(path)
    fs.pipe_file(path, whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
    with pytest.raises(Damaged) as told:
        pulled(empty, url)
    name = Path(path).name
    assert name in str(told.value)
    assert not list(empty.root.rglob(name))
    assert empty.refs() == {}
    fs.pipe_file(path, whole)
    pulled(empty, url)
    assert contents(empty.root) == contents(sealed.root)


def test_what_is_damaged_here_does_not_go_there(sealed: Sealed) -> None:
    path = sorted((sealed.root / "objects").rglob("*.parquet"))[0]
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(Damaged, match="not what its name says"):
        pushed(sealed.store, "memory://team")
    assert not [name for name in MemoryFileSystem.store if path.name in name]
    assert not [name for name in MemoryFileSystem.store if "/statements/" in name]


class Lying(MemoryFileSystem):
    """Says of every file what a test wants to hear."""

    protocol = "memory"
    cachable = False
    listed: ClassVar[dict[str, dict[str, object]]] = {}

    def find(self, path: str, detail: bool = False, **options: object) -> dict[str, dict[str, object]]:
        return {name: info for name, info in self.listed.items() if name.startswith(path)}


@pytest.mark.parametrize(
    "name",
    [
        "objects/../../../../etc/cron.d/x", "objects/ab/../../../x.parquet", "objects//etc/passwd",
        "objects/00/" + "0" * 64 + ".parquet/x", "objects/ab/" + "0" * 64 + ".parquet", "objects/x.parquet",
        "statements/../refs/harbour/000001.json", "refs/../000001.json", "refs/..//000001.json",
        "refs/harbour/000001.json\n",
    ],
)  # fmt: skip
def test_hostile_names_are_passed_over(empty: Store, name: str) -> None:
    fs = Lying()
    fs.listed = {f"/team/{name}": {"name": f"/team/{name}", "size": 3, "type": "file"}}
    before = contents(empty.root.parent)
    done = copy(Remote("memory://team", fs, "/team"), Local(empty), read=parse)
    assert (done.objects, done.statements, done.refs) == (0, 0, 0)
    assert contents(empty.root.parent) == before


@pytest.mark.parametrize("info", [{"size": None}, {"size": -1}, {"size": "3"}, {"type": "directory", "size": 3}, {}])
def test_sizes_and_types_that_are_none(empty: Store, info: dict[str, object]) -> None:
    fs = Lying()
    fs.listed = {f"/team/objects/00/{'0' * 64}.json": {"type": "file"} | info}
    assert copy(Remote("memory://team", fs, "/team"), Local(empty), read=parse).objects == 0


def test_no_file_is_longer_than_it_was_said_to_be(empty: Store) -> None:
    content = b"x" * 100_000
    digest = hashlib.sha256(content).hexdigest()
    path = f"/team/objects/{digest[:2]}/{digest}.parquet"
    for size, said in ((99_999, "it is longer than the 99,999 bytes"), (100_001, "it ends 1 bytes before")):
        fs = Lying()
        fs.listed = {path: {"size": size, "type": "file"}}
        fs.pipe_file(path, content)
        with pytest.raises(Damaged, match=said):
            copy(Remote("memory://team", fs, "/team"), Local(empty), read=parse)
        assert contents(empty.root) == {"format.json": b'{"format":1}\n'}


def test_a_statement_that_is_too_large_is_not_fetched(empty: Store) -> None:
    fs = Lying()
    fs.listed = {f"/team/statements/{'0' * 64}.json": {"size": 1 << 40, "type": "file"}}
    with pytest.raises(Damaged, match="too large to be a statement"):
        copy(Remote("memory://team", fs, "/team"), Local(empty), read=parse)


def test_a_link_in_a_shared_folder_is_not_followed(sealed: Sealed, empty: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"of this machine")
    digest = hashlib.sha256(b"of this machine").hexdigest()
    link = sealed.store.path(digest, "parquet")
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(secret)
    pushed(sealed.store, "memory://team")
    assert not [name for name in MemoryFileSystem.store if digest in name]


@pytest.mark.parametrize("way", ["push", "pull"])
def test_a_number_that_both_have_with_other_bytes_is_a_conflict(sealed: Sealed, tmp_path: Path, way: str) -> None:
    other = sealed.moved(tmp_path / "other" / ".gate")
    sealed.admit(1)
    other.admit(2)
    other.admit(3, "lighthouse")
    here, there = sealed.store.ref_path("harbour", 2), other.store.ref_path("harbour", 2)
    before = here.read_bytes(), there.read_bytes()
    target = other if way == "push" else sealed
    done = pushed(sealed.store, str(other.root)) if way == "push" else pulled(sealed.store, str(other.root))
    assert [conflict.ref for conflict in done.conflicts] == ["refs/harbour/000002.json"]
    assert (here.read_bytes(), there.read_bytes()) == before
    if way == "pull":
        assert target.store.refs()["lighthouse"] == [1]
    assert checked(target.store).exit_code == 0
    assert {one.digest for one in sealed.ledger.all()} <= {one.digest for one in target.ledger.all()}


def test_a_number_that_somebody_takes_meanwhile_is_a_conflict(sealed: Sealed, empty: Store) -> None:
    class Overtaken(Local):
        def write(self, name: str, pieces: Iterator[bytes], size: int) -> bool:
            if name.startswith("refs/"):
                super().write(name, iter((b"somebody else's",)), 15)
            return super().write(name, pieces, size)

    class Overwritten(Local):
        def write(self, name: str, pieces: Iterator[bytes], size: int) -> bool:
            done = super().write(name, pieces, size)
            if name.startswith("refs/"):
                (self.store.root / name).write_bytes(b"somebody else's")
            return done

    for side in (Overtaken, Overwritten):
        done = copy(Local(sealed.store), side(empty), read=parse)
        assert [conflict.ref for conflict in done.conflicts] == ["refs/harbour/000001.json"]
        empty.ref_path("harbour", 1).unlink()


def test_conflicts_are_told(sealed: Sealed, tmp_path: Path, gate: Gate) -> None:
    other = sealed.moved(tmp_path / "other" / ".gate")
    sealed.admit(1)
    other.admit(2)
    done = gate("store", "push", other.root, "--store", sealed.root)
    assert done.returncode == 1
    assert "conflict: refs/harbour/000002.json is another one there than here" in done.stderr


def test_a_ref_that_points_at_nothing_does_not_arrive(sealed: Sealed, empty: Store) -> None:
    pushed(sealed.store, "memory://team")
    for name in [name for name in MemoryFileSystem.store if "/statements/" in name]:
        del MemoryFileSystem.store[name]
    with pytest.raises(Damaged, match="missing"):
        pulled(empty, "memory://team")
    assert empty.refs() == {}


def test_what_was_erased_does_not_come_back(sealed: Sealed, tmp_path: Path) -> None:
    old = max((sealed.root / "objects").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    pushed(sealed.store, "memory://team")
    other = sealed.moved(tmp_path / "other" / ".gate")
    new = other.store.put(b"the same without it", "parquet")
    about = Erasure(examples=["1" * 64], objects={old.stem: new}, snapshots=[sealed.snapshot], why="asked")
    other.ledger.say(about, other.ana)
    other.store.path(old.stem, "parquet").unlink()
    got = pulled(other.store, "memory://team")
    assert (got.objects, got.erased) == (0, 1)
    pulled(sealed.store, str(other.root))  # the tombstone travels, and what stands for it
    assert sealed.store.path(new, "parquet").exists()
    fresh = pushed(sealed.store, "memory://elsewhere")
    assert fresh.erased == 1
    assert not [name for name in MemoryFileSystem.store if name.startswith("/elsewhere") and old.stem in name]


def test_what_was_erased_there_is_not_pushed_back(sealed: Sealed, tmp_path: Path) -> None:
    other = sealed.moved(tmp_path / "other" / ".gate")
    old = max((other.root / "objects").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    new = other.store.put(b"the same without it", "parquet")
    about = Erasure(examples=["1" * 64], objects={old.stem: new}, snapshots=[sealed.snapshot], why="asked")
    other.ledger.say(about, other.ana)
    old.unlink()
    assert pushed(sealed.store, str(other.root)).erased == 1
    assert not old.exists()


def test_formats_of_remotes(sealed: Sealed, tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    with pytest.raises(StoreError, match="there is no store"):
        open_side("memory://nothing")
    with pytest.raises(StoreError, match="there is no store"):
        pulled(sealed.store, str(tmp_path / "nothing"))
    fs.pipe_file("/newer/format.json", b'{"format": 2}')
    for act in (pushed, pulled):
        with pytest.raises(StoreError, match="has format 2, and this gate knows format 1"):
            act(sealed.store, "memory://newer")
    fs.pipe_file("/broken/format.json", b"{")
    with pytest.raises(StoreError, match="cannot be read"):
        pushed(sealed.store, "memory://broken")


def test_addresses_that_are_none(sealed: Sealed) -> None:
    with pytest.raises(UsageError, match="not an address"):
        open_side("nosuch://place")
    for url in ("s3://user:hunter2@bucket/place", "zip://team::s3://user:hunter2@bucket/place.zip"):
        with pytest.raises((MissingDependency, StoreError, UsageError)) as told:
            open_side(url)
        assert "hunter2" not in str(told.value)


def test_a_backend_that_fails_is_a_sentence(sealed: Sealed) -> None:
    class Failing(Lying):
        def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: object) -> None:
            raise TimeoutError("no answer from https://ana:hunter2@team.example.org/gate")

    with pytest.raises(StoreError, match="cannot be written") as told:
        copy(Local(sealed.store), Remote("memory://team", Failing(), "/team"), read=parse)
    assert "hunter2" not in str(told.value)
    assert isinstance(told.value, GateError)


def test_a_file_system_whose_files_appear_bit_by_bit(sealed: Sealed, empty: Store) -> None:
    class Slow(Lying):
        protocol = "sftp"

        def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: object) -> None:
            assert path.endswith(".tmp")
            super().pipe_file(path, value, mode, **options)

    fs = Slow()
    copy(Local(sealed.store), Remote("sftp://team", fs, "/team"), read=parse)
    there = {name.removeprefix("/team/") for name in MemoryFileSystem.store}
    assert there == {name for name in contents(sealed.root) if name != "format.json"}


def test_large_files_go_by_a_file(sealed: Sealed, monkeypatch: pytest.MonkeyPatch, empty: Store) -> None:
    monkeypatch.setattr("gate.store.remote._AT_ONCE", 1000)
    pushed(sealed.store, "memory://team")
    pulled(empty, "memory://team")
    assert contents(empty.root) == contents(sealed.root)


def test_a_pull_makes_the_store(sealed: Sealed, tmp_path: Path, gate: Gate) -> None:
    done = gate("store", "pull", sealed.root, "--store", tmp_path / "new" / ".gate")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("pulled 1")
    assert contents(tmp_path / "new" / ".gate") == contents(sealed.root)
    absent = gate("store", "pull", tmp_path / "nowhere", "--store", tmp_path / "other" / ".gate")
    assert absent.returncode == 2
    assert not (tmp_path / "other").exists()


def test_damage_that_a_copy_mends(sealed: Sealed, tmp_path: Path) -> None:
    shutil.copytree(sealed.root, tmp_path / "copy")
    path = sorted((sealed.root / "objects").rglob("*.parquet"))[0]
    path.unlink()
    assert checked(sealed.store).exit_code == 1
    assert pulled(sealed.store, str(tmp_path / "copy")).objects == 1
    assert checked(sealed.store).exit_code == 0
    assert Ledger(sealed.store).ref("harbour").kind == "ref"
