"""Brings a store of an older format to the present one.

A step takes a store from one format to the next. It may be ended at any moment and run again; only when it is done does
`format.json` say so, which is the one file of a store that is ever rewritten.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson

from gate.store.files import refused
from gate.store.objects import FORMAT, StoreError

Step = Callable[[Path], None]


def format_of(root: Path) -> int:
    """The format of a store; 0 is one without `format.json`.

    Raises:
        StoreError: there is no store, or its `format.json` cannot be read.
    """
    try:
        form = orjson.loads((root / "format.json").read_bytes())["format"]
    except FileNotFoundError:
        if any((root / part).is_dir() for part in ("objects", "statements", "refs")):
            return 0
        raise StoreError("there is no store", where=os.fspath(root), remedy="name one with --store") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError("its format.json cannot be read", where=os.fspath(root)) from None
    if not isinstance(form, int) or isinstance(form, bool) or form < 0:
        raise StoreError("its format.json names no format", where=os.fspath(root))
    return form


def _nothing_to_change(root: Path) -> None:
    """Format 1 is format 0 with its number written down."""


STEPS: Mapping[int, Step] = {0: _nothing_to_change}
"""By the format that they start from."""


def migrate(root: Path, steps: Mapping[int, Step] = STEPS, to: int = FORMAT) -> tuple[int, int]:
    """Bring a store to this gate's format.

    Returns:
        the format it had, and the one it has.

    Raises:
        StoreError: no store, a newer format, or no permission.
    """
    first = form = format_of(root)
    if form > to:
        raise StoreError(
            f"the store has format {form}, and this gate knows format {to}",
            where=os.fspath(root),
            remedy="use a newer gate",
        )
    while form < to:
        steps[form](root)
        form += 1
        _written(root, form)
    return first, form


def _written(root: Path, form: int) -> None:
    temporary = root / f".{uuid.uuid4().hex}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(orjson.dumps({"format": form}) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(root / "format.json")
    except OSError as error:
        raise refused(error, root / "format.json") from None
    finally:
        temporary.unlink(missing_ok=True)
