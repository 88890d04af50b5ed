"""Which checkpoint a run can go on from: the last one that is whole.

Whoever writes a checkpoint closes it with `files.json`, the digest of each of its files (`close_checkpoint`). One
without that was cut short; one that says otherwise than its files was damaged. Both are passed over, and so is one
whose best checkpoint so far, which the end of the run needs, is not whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gate.store.files import hash_file

CLOSING = "files.json"
_STEP = re.compile(r"checkpoint-(\d{1,12})")


@dataclass(frozen=True, slots=True)
class Found:
    """Where to go on from."""

    checkpoint: Path | None
    """None: from the beginning."""
    step: int
    passed_over: tuple[str, ...]
    """A sentence for each later one that is not whole."""


def close_checkpoint(folder: Path) -> None:
    """Say that a checkpoint is whole: write the digest of each of its files, to be read by `last_whole`.

    Raises:
        OSError: no room.
    """
    files = {
        path.relative_to(folder).as_posix(): hash_file(path)[0]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != CLOSING
    }
    temporary = folder / f".{CLOSING}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(files, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / CLOSING)


def prune(checkpoints: Path, scores: Mapping[int, float], keep: int, also: Collection[int] = ()) -> None:
    """Remove checkpoints, but for the best ones and the last one, from which a run goes on.

    Args:
        scores: by step, the lower the better; a checkpoint without one is none of the best.
        keep: how many of the best stay.
        also: steps that stay whatever their score.
    """
    there = dict(_latest_first(checkpoints))
    best = sorted((step for step in there if step in scores), key=lambda step: (scores[step], step))[:keep]
    stay = {*best, *also, *list(there)[:1]}
    for step, folder in there.items():
        if step not in stay:
            shutil.rmtree(folder, ignore_errors=True)


def last_whole(checkpoints: Path) -> Found:
    """The last checkpoint from which a run can go on."""
    passed: list[str] = []
    for step, folder in _latest_first(checkpoints):
        problem = _problem(folder, step)
        if problem is None:
            return Found(folder, step, tuple(passed))
        passed.append(f"{folder.name} is passed over: {problem}")
    return Found(None, 0, tuple(passed))


def clear_after(checkpoints: Path, found: Found) -> None:
    """Remove the checkpoints that were passed over: the run writes them again when it gets there."""
    for step, folder in list(_latest_first(checkpoints)):
        if step > found.step:
            shutil.rmtree(folder, ignore_errors=True)


def _latest_first(checkpoints: Path) -> Iterator[tuple[int, Path]]:
    if not checkpoints.is_dir():
        return
    steps = ((_STEP.fullmatch(each.name), each) for each in checkpoints.iterdir() if each.is_dir())
    yield from sorted(((int(match[1]), each) for match, each in steps if match), reverse=True)


def _problem(folder: Path, step: int) -> str | None:
    """Why a checkpoint cannot be used, or None."""
    if (problem := _damage(folder)) is not None:
        return problem
    try:
        state = json.loads((folder / "trainer_state.json").read_bytes())
        if state["global_step"] != step:
            return f"it is one of step {state['global_step']}"
        best = state.get("best_model_checkpoint")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "its trainer_state.json cannot be read"
    if isinstance(best, str) and Path(best).name != folder.name:
        # Told by its name: the run's folder may have been moved since.
        damage = _damage(folder.parent / Path(best).name)
        return None if damage is None else f"the best checkpoint before it, {Path(best).name}, is damaged: {damage}"
    return None


def _damage(folder: Path) -> str | None:
    """Whether its files are what was written."""
    try:
        files = json.loads((folder / CLOSING).read_bytes())
        pairs = [(str(name), str(digest)) for name, digest in files.items()]
    except FileNotFoundError:
        return "it is there in part only" if folder.is_dir() else "it is gone"
    except (OSError, ValueError, AttributeError, RecursionError):
        return f"its {CLOSING} cannot be read"
    if not pairs:
        return "it is empty"
    for name, digest in pairs:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            return f"{name} lies outside of it"
        try:
            if hash_file(folder / name)[0] != digest:
                return f"{name} was changed"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return None
