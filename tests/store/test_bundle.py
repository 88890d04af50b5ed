"""`gate store bundle` and `unbundle`: one file with a snapshot's whole chain, and nothing else can be in one."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.provenance.trust import load_trust
from gate.snapshots.open import opened
from gate.store.objects import Damaged, Store, StoreError
from gate.verbs.store import checked
from gate.verbs.store_moves import bundled, unbundled
from tests.conftest import Gate
from tests.store.conftest import Sealed


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "empty" / ".gate")


@pytest.fixture
def bundle(sealed: Sealed, tmp_path: Path) -> Path:
    return bundled(sealed.store, "harbour", tmp_path / "harbour.tar").path


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_whole_chain_travels(sealed: Sealed, bundle: Path, empty: Store) -> None:
    done = unbundled(empty, bundle)
    assert (done.statements, done.refs, done.conflicts) == (2, 1, ())
    assert contents(empty.root) == contents(sealed.root)
    assert opened(type(sealed.ledger)(empty), load_trust(sealed.trust), "harbour").id == sealed.snapshot
    again = unbundled(empty, bundle)
    assert (again.objects, again.statements, again.refs, again.bytes) == (0, 0, 0, 0)


def test_the_same_chain_is_the_same_bytes(sealed: Sealed, bundle: Path, empty: Store, tmp_path: Path) -> None:
    unbundled(empty, bundle)
    for path in empty.root.rglob("*"):
        os.utime(path, (1, 1))
    again = bundled(empty, sealed.snapshot[:12], tmp_path / "again.tar")
    assert again.path.read_bytes() == bundle.read_bytes()
    assert again.bytes == bundle.stat().st_size


def test_it_is_a_plain_tar(bundle: Path, sealed: Sealed) -> None:
    with tarfile.open(bundle) as tar:
        members = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        assert {name: file.read() for name, file in members.items() if file} == contents(sealed.root)


def test_by_every_name_it_goes_by(sealed: Sealed, bundle: Path, tmp_path: Path) -> None:
    names = [sealed.snapshot, "sha256:" + sealed.snapshot, sealed.admitted.statement.digest[:10], "harbour@1"]
    for number, name in enumerate(names):
        out = bundled(sealed.store, name, tmp_path / f"{number}.tar").path
        assert out.read_bytes() == bundle.read_bytes()


def test_only_what_it_rests_on(sealed: Sealed, empty: Store, tmp_path: Path) -> None:
    other = sealed.admit(1, "lighthouse")
    out = bundled(sealed.store, "harbour", tmp_path / "harbour.tar").path
    unbundled(empty, out)
    assert empty.refs() == {"harbour": [1]}
    assert not empty.statement_path(other.statement.digest).exists()
    whole = bundled(sealed.store, "lighthouse", tmp_path / "lighthouse.tar").path
    unbundled(empty, whole)
    assert contents(empty.root) == contents(sealed.root)


def test_what_an_author_said_before_travels_without_its_objects(sealed: Sealed, empty: Store, tmp_path: Path) -> None:
    """Whoever gets a chain sees that no statement of it was taken out, and is not told that the store is damaged."""
    sealed.admit(1, "lighthouse")
    out = bundled(sealed.store, "lighthouse", tmp_path / "lighthouse.tar").path
    unbundled(empty, out)
    assert empty.statement_path(sealed.admitted.statement.digest).exists()
    assert empty.refs() == {"lighthouse": [1]}
    found = checked(empty)
    assert (found.problems, found.exit_code) == ((), 0)


@pytest.mark.parametrize("what", ["nosuch", "ab", "0" * 64])
def test_names_that_are_none(sealed: Sealed, what: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no snapshot") as told:
        bundled(sealed.store, what, tmp_path / "out.tar")
    assert "names: harbour" in str(told.value)
    assert not (tmp_path / "out.tar").exists()


def test_a_chain_with_a_hole_is_not_bundled(sealed: Sealed, tmp_path: Path) -> None:
    path = sorted((sealed.root / "objects").rglob("*.parquet"))[0]
    whole = path.read_bytes()
    path.write_bytes(b"x" * len(whole))
    with pytest.raises(Damaged, match="not what its name says"):
        bundled(sealed.store, "harbour", tmp_path / "out.tar")
    path.unlink()
    with pytest.raises(Damaged, match="is missing"):
        bundled(sealed.store, "harbour", tmp_path / "out.tar")
    assert list(tmp_path.glob("*.tar")) == list(tmp_path.glob(".*.tmp")) == []


def test_a_file_that_is_there_stays(sealed: Sealed, bundle: Path) -> None:
    before = bundle.read_bytes()
    with pytest.raises(StoreError, match="there is a file of that name"):
        bundled(sealed.store, "harbour", bundle)
    assert bundle.read_bytes() == before


# Hostile bundles


def member(name: str, content: bytes = b"", **fields: object) -> bytes:
    """A member as `gate` would write it, and then as a test wants it."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


FORMAT = member("format.json", b'{"format":1}\n')
END = bytes(1024)
EMPTY = "objects/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.json"
OTHER = "objects/ff/" + "f" * 64 + ".json"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (FORMAT + member(EMPTY, type=tarfile.SYMTYPE, linkname="/etc/passwd") + END, "a link"),
        (FORMAT + member(EMPTY, type=tarfile.LNKTYPE, linkname="format.json") + END, "a hard link"),
        (FORMAT + member(EMPTY, type=tarfile.CHRTYPE) + END, "a device"),
        (FORMAT + member(EMPTY, type=tarfile.BLKTYPE) + END, "a device"),
        (FORMAT + member(EMPTY, type=tarfile.FIFOTYPE) + END, "a pipe"),
        (FORMAT + member("objects", type=tarfile.DIRTYPE) + END, "a folder"),
        (FORMAT + member("x", b"x" * 40, type=tarfile.XHDTYPE) + END, "an extended header"),
        (FORMAT + member("x", b"x" * 40, type=tarfile.GNUTYPE_LONGNAME) + END, "a long name"),
        (FORMAT + member("x", b"x" * 40, type=tarfile.GNUTYPE_SPARSE) + END, "sparse"),
        (FORMAT + member(EMPTY, type=tarfile.CONTTYPE) + END, "not one that gate writes"),
        (FORMAT + member(EMPTY, mode=0o4755) + END, "not one that gate writes"),
        (FORMAT + member(EMPTY, mtime=1) + END, "not one that gate writes"),
        (FORMAT + member(EMPTY, uname="root") + END, "not one that gate writes"),
        (FORMAT + member("/" + EMPTY) + END, "no file of a store"),
        (FORMAT + member("../" + EMPTY) + END, "no file of a store"),
        (FORMAT + member("objects/../" + EMPTY) + END, "no file of a store"),
        (FORMAT + member("./" + EMPTY) + END, "no file of a store"),
        (FORMAT + member("trust.yaml", b"keys: []") + END, "no file of a store"),
        (FORMAT + member("cache/x.arrow", b"") + END, "no file of a store"),
        (FORMAT + member("objects/.0123456789abcdef0123456789abcdef.tmp") + END, "no file of a store"),
        (FORMAT + member(EMPTY) + member(EMPTY) + END, "there twice"),
        (FORMAT + member(OTHER) + member(EMPTY) + END, "not what its name says"),
        (FORMAT + FORMAT + END, "there twice"),
        (FORMAT + member("statements/" + "0" * 64 + ".json", b"{}") + member(EMPTY) + END, "not what its name says"),
        (member(EMPTY) + END, "does not begin with format.json"),
        (member("format.json", b'{"format":2}\n') + END, "format 2"),
        (member("format.json", b"{") + END, "cannot be read"),
        (member("format.json", b"[" * 5000) + END, "cannot be read"),
        (END, "does not end as a bundle does"),
        (b"", "no bundle"),
        (b"PK\x03\x04" + bytes(600), "no bundle"),
        (FORMAT, "no bundle, or one that is cut off"),
        (FORMAT + bytes(512), "does not end as a bundle does"),
        (FORMAT + END + b"x", "does not end as a bundle does"),
        (FORMAT + member(EMPTY, b"x" * 600)[:700], "cut off in"),
        (FORMAT + member("objects/00/" + "0" * 64 + ".json", b"x")[:-1] + b"x" + END, "followed by something else"),
    ],
)
def test_what_no_bundle_is(empty: Store, tmp_path: Path, body: bytes, said: str) -> None:
    path = tmp_path / "hostile.tar"
    path.write_bytes(body)
    before = contents(tmp_path / "empty")
    with pytest.raises((Damaged, StoreError), match=said) as told:
        unbundled(empty, path)
    assert "hostile.tar" in str(told.value)
    after = contents(tmp_path / "empty")
    after.pop(f".gate/{EMPTY}", None)  # a whole object of its name may be there, which nobody points at
    assert after == before


def test_sizes_that_would_fill_a_disk(empty: Store, tmp_path: Path) -> None:
    for size in (1 << 30, 1 << 40, 8**11 - 1, 1 << 62):
        info = tarfile.TarInfo(EMPTY)
        info.size = size
        path = tmp_path / "large.tar"
        path.write_bytes(FORMAT + info.tobuf(tarfile.GNU_FORMAT) + b"x" * 100)
        with pytest.raises(Damaged, match="cut off in"):
            unbundled(empty, path)
    info = tarfile.TarInfo("statements/" + "0" * 64 + ".json")
    info.size = 65 << 20
    with path.open("wb") as file:
        file.write(FORMAT + info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(80 << 20)
    with pytest.raises(Damaged, match="too large to be a statement"):
        unbundled(empty, path)


def edited(bundle: Path, edit: Callable[[dict[str, bytes]], None]) -> Path:
    """The bundle of other files, in the order and with the headers that it should have."""
    with tarfile.open(bundle) as tar:
        files = {each.name: tar.extractfile(each).read() for each in tar.getmembers()}  # type: ignore[union-attr]
    edit(files)
    bundle.write_bytes(b"".join(member(name, content) for name, content in files.items()) + END)
    return bundle


def test_members_that_are_not_what_their_names_say(bundle: Path, empty: Store) -> None:
    whole = bundle.read_bytes()
    with tarfile.open(bundle) as tar:
        names = [each.name for each in tar.getmembers() if each.name != "format.json"]
    for name in names:

        def flip(files: dict[str, bytes], name: str = name) -> None:
            files[name] = files[name][:-2] + bytes([files[name][-2] ^ 1]) + files[name][-1:]

        with pytest.raises(Damaged) as told:
            unbundled(empty, edited(bundle, flip))
        assert name in str(told.value)
        assert not (empty.root / name).exists()
        bundle.write_bytes(whole)
    assert [path for path in empty.root.rglob("*") if path.name.endswith(".tmp")] == []
    assert empty.refs() == {}


def test_one_that_is_cut_off_anywhere(bundle: Path, empty: Store) -> None:
    whole = bundle.read_bytes()
    for length in (0, 1, 511, 512, 1024, len(whole) // 2, len(whole) - 1025, len(whole) - 1024, len(whole) - 1):
        bundle.write_bytes(whole[:length])
        with pytest.raises(Damaged):
            unbundled(empty, bundle)
        for each in empty.objects():
            empty.verified(each.digest, each.kind)
        assert [path for path in empty.root.rglob("*") if path.name.endswith(".tmp")] == []


def test_a_ref_without_its_admission_is_not_put_in_place(bundle: Path, empty: Store) -> None:
    def drop(files: dict[str, bytes]) -> None:
        for name in [name for name in files if name.startswith("statements/")]:
            del files[name]

    with pytest.raises(Damaged, match="missing"):
        unbundled(empty, edited(bundle, drop))
    assert empty.refs() == {}


def test_a_ref_that_is_taken_here_is_a_conflict(sealed: Sealed, tmp_path: Path, gate: Gate) -> None:
    other = sealed.moved(tmp_path / "other" / ".gate")
    sealed.admit(1)
    other.admit(2)
    out = bundled(other.store, "harbour", tmp_path / "other.tar").path
    before = sealed.store.ref_path("harbour", 2).read_bytes()
    done = gate("store", "unbundle", out, "--store", sealed.root)
    assert done.returncode == 1
    assert "conflict: refs/harbour/000002.json" in done.stderr
    assert sealed.store.ref_path("harbour", 2).read_bytes() == before


def test_no_file_and_no_permission(empty: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it cannot be read"):
        unbundled(empty, tmp_path)


def test_the_commands(sealed: Sealed, tmp_path: Path, gate: Gate) -> None:
    done = gate("store", "bundle", "harbour", "--out", "x.tar", "--store", sealed.root)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("wrote x.tar: ")
    put = gate("store", "unbundle", "x.tar", "--store", "new/.gate")
    assert put.returncode == 0
    assert contents(tmp_path / "new" / ".gate") == contents(sealed.root)
    assert io.BytesIO((tmp_path / "x.tar").read_bytes()).read(11) == b"format.json"
