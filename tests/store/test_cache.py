"""What is kept between runs: found whole or not at all."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from gate.store.cache import Cache, CacheError
from gate.store.places import LIMIT, cache_folder, open_cache, size_limit

KEY = "ab" + "0" * 62
OTHER = "cd" + "1" * 62
FRAME = pl.DataFrame({"number": range(1000), "text": [f"row {number}" for number in range(1000)]})


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def put(cache: Cache, key: str = KEY) -> None:
    cache.commit(key, "a test", {"examined": 3}, [cache.part(key, "findings-0", FRAME)])


def test_an_entry_comes_back_as_it_was_put(cache: Cache) -> None:
    assert cache.get(KEY) is None
    put(cache)
    entry = cache.get(KEY)
    assert entry is not None
    assert cache.verify(entry)
    assert entry.meta == {"examined": 3}
    assert pl.read_ipc(cache.path(KEY, "findings-0")).equals(FRAME)


def test_an_entry_without_its_manifest_does_not_exist(cache: Cache) -> None:
    cache.part(KEY, "findings-0", FRAME)  # a run was killed before it committed
    assert cache.get(KEY) is None


@pytest.mark.parametrize("name", ["manifest", "part"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone", "longer"])
def test_a_damaged_entry_is_dropped_and_never_trusted(cache: Cache, name: str, damage: str) -> None:
    put(cache)
    path = cache.path(KEY, "findings-0") if name == "part" else cache.folder / "ab" / f"{KEY}.json"
    content = bytearray(path.read_bytes())
    for seed in range(20 if damage == "flip" else 1):
        put(cache)
        if damage == "flip":
            flipped = bytearray(content)
            flipped[random.Random(seed).randrange(len(flipped))] ^= 1
            path.write_bytes(flipped)
        elif damage == "cut":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "empty":
            path.write_bytes(b"")
        elif damage == "gone":
            path.unlink()
        else:
            path.write_bytes(content + b"x")
        entry = cache.get(KEY)
        assert entry is None or not cache.verify(entry)
        assert cache.get(KEY) is None
    put(cache)
    assert cache.get(KEY) is not None


def test_what_it_holds_is_for_its_owner_only_and_never_committed(cache: Cache) -> None:
    put(cache)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (cache.folder / "ab").iterdir()}
    assert modes == {0o600}
    assert (cache.folder / ".gitignore").read_text().splitlines()[-1] == "*"


def test_what_was_not_used_for_longest_goes_first_and_what_is_in_use_stays(cache: Cache) -> None:
    put(cache)
    put(cache, OTHER)
    old = time.time() - 10_000
    os.utime(cache.folder / "ab" / f"{KEY}.json", (old, old))
    assert cache.shrink(10**9) == 0
    assert cache.shrink(0) > 0
    assert cache.get(KEY) is None
    assert cache.get(OTHER) is not None


def test_using_an_entry_makes_it_young_again(cache: Cache) -> None:
    put(cache)
    manifest = cache.folder / "ab" / f"{KEY}.json"
    os.utime(manifest, (1, 1))
    cache.get(KEY)
    assert manifest.stat().st_mtime > time.time() - 60


def test_no_room_is_said_in_a_sentence() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    cache = Cache(Path("/dev/full/cache"))
    with pytest.raises(CacheError, match="--no-cache"):
        put(cache)


def test_the_nearest_gate_folder_holds_the_cache_else_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    data = tmp_path / "repository" / "data" / "train"
    data.mkdir(parents=True)
    (tmp_path / ".gate").mkdir()
    (tmp_path / "repository" / ".git").mkdir()
    if sys.platform == "linux":
        assert cache_folder(data) == tmp_path / "home" / "gate"  # not beyond the repository
    (tmp_path / "repository" / ".gate").mkdir()
    assert cache_folder(data) == tmp_path / "repository" / ".gate" / "cache"
    monkeypatch.setenv("GATE_CACHE", str(tmp_path / "mine"))
    assert cache_folder(data) == tmp_path / "mine"


@pytest.mark.parametrize(
    ("said", "meant"),
    [("500M", 500 << 20), ("20G", 20 << 30), ("1.5 GiB", 3 << 29), ("4096", 4096), ("", LIMIT), ("lots", LIMIT)],
)
def test_a_limit_is_a_size(monkeypatch: pytest.MonkeyPatch, said: str, meant: int) -> None:
    monkeypatch.setenv("GATE_CACHE_LIMIT", said.replace(" ", ""))
    assert size_limit() == meant


def test_a_temporary_cache_goes_with_the_process_and_leavings_of_killed_ones_are_swept(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from gate.store.places import open_cache\n"
        "cache = open_cache(Path(), keep=False); print(cache.folder, flush=True)\n"
        "if sys.argv[1] == 'die': os.kill(os.getpid(), 9)\n"
    )

    def run(how: str) -> Path:
        environment = os.environ | {"TMPDIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", script, how], env=environment, capture_output=True, text=True, check=False
        )
        return Path(done.stdout.strip())

    assert not run("end").exists()
    left = run("die")
    assert left.exists()
    run("end")
    assert not left.exists()


def test_a_folder_that_cannot_be_written_to_is_no_place_for_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_CACHE", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").write_text("")
    cache = open_cache(tmp_path, keep=True)
    assert not cache.folder.is_relative_to(tmp_path / "file")
    cache.close()
