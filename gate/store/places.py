"""Where results are kept between runs: the nearest `.gate/`, else the user's own cache folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from gate.store.cache import Cache

LIMIT = 10 << 30
"""Bytes kept where nobody says otherwise: some ten times what a million rows of 600 characters leave behind."""

_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def cache_folder(start: Path) -> Path:
    """The folder of the cache for data that lies at `start`.

    `GATE_CACHE` names it; else it is `.gate/cache` in the nearest folder upwards that has a `.gate/`, as far as the
    root of the repository; else the platform's folder for caches.
    """
    if named := os.environ.get("GATE_CACHE"):
        return Path(named).expanduser().absolute()
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / ".gate").is_dir() and not (folder / ".gate").is_symlink():
            return folder / ".gate" / "cache"
        if os.path.lexists(folder / ".git"):
            break
    return _user_folder() / "gate"


def _user_folder() -> Path:
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named)
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    return home / ".cache"


def size_limit() -> int:
    """How many bytes are kept: `GATE_CACHE_LIMIT` (`500M`, `20G`), else 10 GiB. What is no size counts as none."""
    text = os.environ.get("GATE_CACHE_LIMIT", "").strip().lower().removesuffix("ib").removesuffix("b")
    digits = text.rstrip("kmgt")
    try:
        return int(float(digits) * (1 << _UNITS[text[len(digits) :]])) if len(text) - len(digits) <= 1 else LIMIT
    except (ValueError, KeyError, OverflowError):
        return LIMIT


def open_cache(start: Path, *, keep: bool) -> Cache:
    """The cache for data at `start`; a temporary one, which goes with the object, where nothing is to be kept or the
    folder cannot be written to.
    """
    if keep:
        folder = cache_folder(start)
        if _writable(folder):
            return Cache(folder)
    _sweep()
    return TemporaryCache()


class TemporaryCache(Cache):
    """A cache in a folder of its own, which is removed with the object, and when Python ends."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True)
        super().__init__(Path(self._folder.name))

    def close(self) -> None:
        self._folder.cleanup()


_PREFIX = "gate-work-"


def _sweep() -> None:
    """Remove what runs of this user left behind that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        with contextlib.suppress(OSError, ValueError):
            if folder.stat().st_uid == os.getuid() and not _alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _writable(folder: Path) -> bool:
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
