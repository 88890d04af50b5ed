"""Files that are put in place whole or not at all, and only where there is none yet.

What is written gets a temporary name, is synced, and takes its own name by a hard link, which fails where somebody was
quicker. A file system without hard links gets a rename. So any number of processes may write at once without a lock.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import uuid
from io import BufferedReader
from pathlib import Path

from gate.errors import UsageError


class StoreError(UsageError):
    """The store cannot be used: absent, of another format, full, or not writable."""


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hex) and size in bytes of a plain file.

    Raises:
        OSError: it cannot be read, or is a link, a folder, a pipe or a device.
    """
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


def opened(path: Path) -> BufferedReader:
    """A plain file, open for reading; a link is not followed, and a pipe is not waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link", os.fspath(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", os.fspath(path))
    return os.fdopen(descriptor, "rb")


def put(path: Path, content: bytes | memoryview, digest: str | None = None) -> bool:
    """Write a file whole or not at all; False where there is one already.

    Args:
        digest: of the content, where that is its name too: a file of that name that holds something else is damaged,
            and is replaced. Without it the name is taken once and for all.
    """
    if _there(path, digest):
        return False
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return _in_place(temporary, path, digest)
    except OSError as error:
        raise refused(error, path) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def move(source: Path, target: Path, digest: str) -> bool:
    """Give a file that was written beside it its name; False where there is one already.

    Args:
        digest: of its content.
    """
    if _there(target, digest):
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as file:
            os.fsync(file.fileno())
        return _in_place(source, target, digest)
    except OSError as error:
        raise refused(error, target) from None


def _there(path: Path, digest: str | None) -> bool:
    """Whether a file needs no writing: somebody has its name, and, where a digest is known, it holds what it should."""
    if digest is None:
        return os.path.lexists(path)
    try:
        if hash_file(path)[0] != digest:
            return False
    except OSError:
        return False
    with contextlib.suppress(OSError):
        os.utime(path)  # somebody is about to refer to it: `gate store gc` takes nothing that is young
    return True


def _in_place(temporary: Path, path: Path, digest: str | None) -> bool:
    """Give a whole file its name, unless there is one of that name."""
    try:
        path.hardlink_to(temporary)  # fails where there is one, which a rename would replace
    except FileExistsError:
        if _there(path, digest):  # somebody was quicker
            return False
        temporary.replace(path)  # what lies there is damaged
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not _renamed(temporary, path, digest):
            return False
    _sync(path.parent)
    return True


_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


def _renamed(temporary: Path, path: Path, digest: str | None) -> bool:
    """The same on a file system without hard links."""
    if digest is not None:  # whoever is quicker has written the same bytes
        temporary.replace(path)
        return True
    # A name that is taken once: who creates the claim may rename. A writer killed in between leaves the claim, and
    # with it a number that nobody has, which is no number lost.
    claim = path.with_name(f".{path.name}.claim")
    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    try:
        if os.path.lexists(path):
            return False
        temporary.rename(path)
        return True
    finally:
        claim.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """A name is as safe as what it names. Where a folder cannot be synced, the system sees to it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
"""No room, or no permission."""


def refused(error: OSError, path: Path) -> StoreError:
    """The sentence for a person whose file could not be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = "there is no room left" if full else f"it cannot be written ({(error.strerror or 'refused').lower()})"
    return StoreError(what, where=os.fspath(path.parent), remedy="make room, or name another store with --store")
