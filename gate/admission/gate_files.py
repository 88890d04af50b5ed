"""A pull request cannot loosen its own gate: a change to what judges it is a finding that blocks.

Gate's own files are, around the data: `gate.yaml`, everything in its `rules/`, `reports/` and `trainers/` (policies,
suites, plug-ins, lexicons), keys, trust and waivers in `.gate/`, and every other file that the base's rules name; at
the root of the repository: who has to approve (CODEOWNERS), and the workflows and hooks that call gate. The head is
judged by the base's, so a change to them only takes effect once it is on the base. That is how it is approved: in a
pull request of its own, merged by those who may. Signed approvals come with the store (`approved`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from gate.admission.result import FINDINGS, RuleOutcome
from gate.data.revision import Revision
from gate.errors import InputError
from gate.policy.model import Rule

RULE = Rule(
    id="gate_files",
    check="gate_files",
    severity="error",
    tolerate=0,
    remedy="review",
    why="Who changes data must not change, in the same breath, what judges it.",
)
"""No policy has it, since a policy could take it away."""
CODES = {
    "gate_file_added": "A file that judges data was added.",
    "gate_file_changed": "A file that judges data was changed.",
    "gate_file_removed": "A file that judges data was removed.",
}

SETTINGS = "gate.yaml"
_FOLDERS = ("rules", "reports", "trainers")
_MARKS = ("rules/admission", "rules/expectations", "rules/snapshot.yaml")
"""What makes the folder around it one whose `rules/` are gate's (gate.policy.settings)."""
_STORED = re.compile(r"\.gate/(keys/.+|trust[^/]*|statements/waiver[^/]*)")
_OWNERS = re.compile(r"((\.github|\.gitlab|docs)/)?CODEOWNERS")
_CALLERS = re.compile(
    r"\.github/(workflows|actions)/.+|\.gitlab-ci\.ya?ml|\.gitlab/.+\.ya?ml|\.pre-commit-config\.yaml|action\.ya?ml"
)
_CALLS = re.compile(rb"llm-gate|\bgate[ ,'\"]+(check|admit|evaluate|promote|train|verify)\b|\bid: *gate\b|/gate@")
_NO_FILES = ("__pycache__", ".DS_Store")

Code = Literal["gate_file_added", "gate_file_changed", "gate_file_removed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One of gate's own files that the head has otherwise than the base."""

    path: str
    """Relative to the repository (or to the folder of `gate.yaml`), `/` between parts."""
    code: Code
    before: str | None
    """The git object of its content; None where there is none."""
    after: str | None


def is_gates(name: str) -> bool:
    """Whether a path of a repository may be settings or rules of gate's, whatever folder they are the settings of."""
    parts = name.split("/")
    return parts[-1] == SETTINGS or not {*_FOLDERS, ".gate"}.isdisjoint(parts[:-1])


Approved = Callable[[Change], bool]


def nobody(change: Change) -> bool:
    """No change is approved in the pull request that makes it."""
    return False


def changes(revision: Revision, named: Iterable[Path] = ()) -> list[Change]:
    """Gate's own files that the working tree has otherwise than a revision.

    Args:
        named: files of `revision.root` that the base's rules name, wherever they lie (policies, evaluation sets).

    Raises:
        InputError: one of them is a link in the base, so that it cannot be told what it says.
    """
    top = revision.repository.top
    around = _around(revision.relative(path) for path in revision.places)
    in_base = {name for name in revision.tree if _says_something(name)}
    others = {
        path.resolve().relative_to(revision.root).as_posix()
        for path in named
        if path.resolve().is_relative_to(revision.root)
    }
    homes = [folder for folder in around if _is_home(folder, in_base) or _is_home_on_disk(top, folder)]
    before = {name for name in in_base if _is_own(name, homes)} | (others & in_base)
    for name in sorted(before):
        if not revision.tree[name].plain:
            raise InputError(
                "in the base one of gate's own files is a link or a submodule, which is not followed",
                where=name,
                remedy="Put the file itself there.",
            )
    after = {name for name in _on_disk(top, homes) if _is_own(name, homes)} | _present(top, others)
    base = {name: revision.tree[name].blob for name in before}
    found = _changes(base, top, after)
    callers = [change for change in found if _CALLERS.fullmatch(change.path) and not _in_home(change.path, homes)]
    revision.write(change.path for change in callers if change.before is not None)
    silent = {change.path for change in callers if not any(_calls(root / change.path) for root in (top, revision.root))}
    return [change for change in found if change.path not in silent]


def changes_between(base: Path, head: Path) -> list[Change]:
    """Gate's own files of two folders, each the one of its `gate.yaml` or `rules/`."""
    names = [{name for name in _on_disk(root, [""]) if _in_home(name, [""])} for root in (base, head)]
    return _changes({name: _blob(base / name, 40) for name in names[0]}, head, names[1])


def judged(
    found: Sequence[Change],
    kept: int = 0,
    *,
    place: Callable[[str], str] = lambda path: path,
    approved: Approved = nobody,
) -> tuple[pl.DataFrame, RuleOutcome]:
    """Changes as findings (schema `FINDINGS`), and how the rule ended: failed, unless each is approved.

    Args:
        kept: how many of gate's files are as they were.
        place: from a path to how findings name it (relative to the dataset's root).
    """
    blocking = [change for change in found if not approved(change)]
    findings = pl.DataFrame(
        [
            {
                "rule": RULE.id,
                "code": change.code,
                "severity": RULE.severity,
                "file": place(change.path),
                "message": _message(change),
                "remedy": RULE.remedy,
                "state": "new",
            }
            for change in blocking
        ],
        schema=FINDINGS,
    )
    outcome = RuleOutcome(
        RULE,
        (),
        "failed" if blocking else "passed",
        examined=kept + len(found),
        flagged=len(blocking),
        reason=None if blocking else "what judges this data is the same as in the base",
    )
    return findings, outcome


def place_from(top: Path, root: str | os.PathLike[str]) -> Callable[[str], str]:
    """How findings of a dataset name a file of the repository: relative to the dataset's root."""

    def place(path: str) -> str:
        return Path(os.path.relpath(top / path, Path(root).resolve())).as_posix()

    return place


def _message(change: Change) -> str:
    what = {
        "gate_file_added": "adds a file that judges data",
        "gate_file_changed": "changes a file that judges data",
        "gate_file_removed": "removes a file that judges data",
    }[change.code]
    return (
        f"This change {what} ({change.path}). It was judged as the base says, without it; put it into a pull request "
        "of its own, and have it merged by those who may approve it (CODEOWNERS)."
    )


def _changes(base: Mapping[str, str], head: Path, after: Collection[str]) -> list[Change]:
    found: list[Change] = []
    for name in sorted({*base, *after}):
        was = base.get(name)
        now = _blob(head / name, len(was) if was else 40) if name in after else None
        if was is None:
            found.append(Change(name, "gate_file_added", None, now))
        elif now is None:
            found.append(Change(name, "gate_file_removed", was, None))
        elif now != was and _blob(head / name, len(was), unix=True) != was:
            found.append(Change(name, "gate_file_changed", was, now))
    return found


def _says_something(name: str) -> bool:
    return not any(part in _NO_FILES for part in name.split("/"))


def _around(paths: Iterable[str]) -> list[str]:
    """The folders in which gate looks for what is its own: the paths, and those above them."""
    folders: dict[str, None] = {}
    for path in paths:
        while path:
            folders[path] = None
            path = path.rpartition("/")[0]
    return [*folders, ""]


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_home(folder: str, names: Collection[str]) -> bool:
    files = {_join(folder, name) for name in (SETTINGS, *_MARKS)}
    folders = tuple(f"{_join(folder, mark)}/" for mark in _MARKS)
    return any(name in files or name.startswith(folders) for name in names)


def _is_home_on_disk(top: Path, folder: str) -> bool:
    return any(os.path.lexists(top / folder / mark) for mark in (SETTINGS, *_MARKS))


def _in_home(name: str, homes: Collection[str]) -> bool:
    for home in homes:
        if not home or name.startswith(f"{home}/"):
            inner = name[len(home) + 1 :] if home else name
            if inner == SETTINGS or inner.partition("/")[0] in _FOLDERS or _STORED.fullmatch(inner):
                return True
    return False


def _is_own(name: str, homes: Collection[str]) -> bool:
    return _in_home(name, homes) or bool(_OWNERS.fullmatch(name) or _CALLERS.fullmatch(name))


def _on_disk(top: Path, homes: Collection[str]) -> Iterator[str]:
    """The files of the working tree that may be gate's, links included."""
    for home in homes:
        for inner in (SETTINGS, *_FOLDERS, ".gate/keys", ".gate/statements"):
            yield from _below(top, _join(home, inner))
        for trust in (top / home / ".gate").glob("trust*"):
            yield from _below(top, trust.relative_to(top).as_posix())
    for inner in ("CODEOWNERS", "docs/CODEOWNERS", ".github", ".gitlab", ".gitlab-ci.yml", ".gitlab-ci.yaml"):
        yield from _below(top, inner)
    for inner in (".pre-commit-config.yaml", "action.yml", "action.yaml"):
        yield from _below(top, inner)


def _below(top: Path, name: str) -> Iterator[str]:
    path = top / name
    if path.is_symlink() or not path.is_dir():
        if os.path.lexists(path):
            yield name
        return
    for folder, folders, files in os.walk(path, onerror=_raise):
        folders[:] = [each for each in folders if each not in _NO_FILES]
        linked = [each for each in folders if (Path(folder) / each).is_symlink()]
        for file in (*files, *linked):
            if file not in _NO_FILES:
                yield (Path(folder) / file).relative_to(top).as_posix()


def _raise(error: OSError) -> None:
    what = (error.strerror or str(error)).lower()
    raise InputError(what, where=str(error.filename), remedy="Check the folder and its permissions.") from None


def _present(top: Path, names: Iterable[str]) -> set[str]:
    return {name for name in names if os.path.lexists(top / name)}


def _blob(path: Path, digits: int, *, unix: bool = False) -> str:
    """The git object of a file's content (40 hex digits: SHA-1, 64: SHA-256), as git keeps it where it turns line ends
    into Windows' on checkout (`unix`). Of a link something that no object is called."""
    if path.is_symlink() or not path.is_file():
        return f"no plain file: {path.readlink() if path.is_symlink() else ''}"
    try:
        content = path.read_bytes()
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise InputError(what, where=str(path), remedy="Check the file and its permissions.") from None
    if unix:
        content = content.replace(b"\r\n", b"\n")
    made = hashlib.sha256() if digits == 64 else hashlib.sha1(usedforsecurity=False)
    made.update(b"blob %d\0" % len(content))
    made.update(content)
    return made.hexdigest()


def _calls(path: Path) -> bool:
    """Whether a workflow calls gate, as far as its words say."""
    if path.is_symlink():
        return True
    return path.is_file() and _CALLS.search(path.read_bytes()) is not None
