"""`gate recipes`: which recipes there are, what one says in full and where it was written, and a copy to edit."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from gate.errors import InputError, PolicyError, UsageError
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.training import accelerate_files
from gate.training.advice import outside_guides
from gate.training.launch import script_for
from gate.training.plan_rules import load_plan_rules
from gate.training.recipe_files import FOLDER, is_file_name, load_recipe, meaning_of, recipe_names
from gate.training.recipe_overview import Copied, Listed, Shown, Value

Path_ = str | os.PathLike[str]


def list_recipes(*, start: Path | None = None) -> list[Listed]:
    """The recipes that a name can mean here, sorted by it. One that cannot be read says why.

    Args:
        start: the folder from which the user's own are looked for; the current one where it is left out.
    """
    folders = _folders(start)
    return [_listed(name, folders) for name in recipe_names(folders)]


def show_recipe(name: Path_, overrides: Sequence[str] = (), *, start: Path | None = None) -> Shown:
    """A recipe in full: defaults, what it extends, and flags.

    Args:
        name: a recipe's name or file; keys that it needs may be missing yet.
        overrides: `key=value`.
        start: as for `list_recipes`.

    Raises:
        PolicyError: there is none, or it does not say something gate can do.
    """
    folders = _folders(start)
    resolved = load_recipe(os.fspath(name), folders, overrides, complete=False)
    values: list[Value] = []
    for key, value in resolved.document().items():
        nested = value if isinstance(value, dict) else {"": value}
        for inner, each in nested.items():
            dotted = f"{key}.{inner}" if inner else key
            written = resolved.places.get(dotted)
            values.append(Value(dotted, each, str(written) if written else None, meaning_of(dotted) or ""))
    return Shown(
        resolved=resolved,
        values=tuple(values),
        script=script_for(resolved.recipe.objective, folders).name,
        advice=tuple(outside_guides(resolved.recipe, rules=load_plan_rules(folders).settings)),
    )


def copy_recipe(
    name: str, folder: Path_ | None = None, *, rename: str | None = None, script: bool = True, force: bool = False
) -> list[Copied]:
    """Copy a recipe and the script that runs it into a repository's own `trainers/`, where they are found first.

    Args:
        name: a recipe's, or that of a configuration of accelerate (`fsdp`), which is copied likewise.
        folder: the top of the repository; where `gate.yaml` or rules lie, or the current folder, where it is left out.
        rename: what to call the recipe.
        script: whether to copy the script too.
        force: replace files that are there and say something else.

    Raises:
        UsageError: a file is there already, or the name is none.
        PolicyError: there is no such recipe.
        InputError: it cannot be written.
    """
    folders = _folders(Path(folder) if folder is not None else None)
    root = Path(folder) if folder is not None else folders.user or Path.cwd()
    top = folders.user
    if top is not None and top != root.resolve() and any((top / each).exists() for each in ("gate.yaml", "rules")):
        raise UsageError(
            f"recipes would be looked up in {top}, where gate.yaml or rules/ lie, and not found here",
            where=os.fspath(root),
            remedy=f"leave DIR away, or name {top}",
        )
    if rename is not None and not re.fullmatch(r"[\w-]+", rename):
        raise UsageError(f"{rename!r} is no name of a recipe", remedy="letters, digits, - and _: --as my-lora")
    wanted = _wanted(name, rename, script, folders)
    planned: list[tuple[Path, bytes, Copied]] = []
    for source, relative, why in wanted:
        target = root / relative
        if source.resolve() == target.resolve():  # theirs is found first: what they ask for is gate's
            source = folders.find(relative, after=source) or source
        content = source.read_bytes()
        planned.append((target, content, Copied(target, _status(target, content, force), why)))
    for target, content, copied in planned:  # nothing is written before everything may be
        if copied.status != "same":
            _write(target, content)
    return [copied for _, _, copied in planned]


def _folders(start: Path | None) -> Folders:
    return Folders(find_settings(start or Path()).folder)


def _listed(name: str, folders: Folders) -> Listed:
    try:
        resolved = load_recipe(name, folders, complete=False)
    except PolicyError as error:
        path = folders.find(f"{FOLDER}/{name}.yaml")
        return Listed(name, "", "", "", folders.origin(path) if path else name, (), str(error))
    recipe = resolved.recipe
    return Listed(name, recipe.objective, recipe.method, recipe.about, resolved.files[0], resolved.needs)


def _wanted(name: str, rename: str | None, script: bool, folders: Folders) -> list[tuple[Path, str, str]]:
    """What to copy: from, to (relative to the repository), and why it is there."""
    if name not in recipe_names(folders) and name in folders.names(accelerate_files.FOLDER, ".yaml"):
        path = accelerate_files.launch_configuration(name, folders)
        kept = rename or name
        return [(path, f"{accelerate_files.FOLDER}/{kept}.yaml", f"gate train --launch {kept} means this file now")]
    resolved = load_recipe(name, folders, complete=False)
    path = Path(name) if is_file_name(name) else folders.find(f"{FOLDER}/{name}.yaml") or Path(name)
    kept = rename or resolved.name
    objective = resolved.recipe.objective
    files = [(path, f"{FOLDER}/{kept}.yaml", f"gate train --recipe {kept} means this file now")]
    if script:
        found = script_for(objective, folders).path
        files.append((found, f"trainers/{found.name}", f"trains for every recipe with `objective: {objective}` now"))
    return files


def _status(target: Path, content: bytes, force: bool) -> Literal["written", "replaced", "same"]:
    if not os.path.lexists(target):
        return "written"
    if target.is_symlink() or not target.is_file():
        raise UsageError("something that is no file is in the way", where=os.fspath(target), remedy="move it away")
    if target.read_bytes() == content:
        return "same"
    if not force:
        remedy = "--force replaces it, --as NAME gives the recipe another name, --no-script leaves the script out"
        raise UsageError(
            "it is there already, and says something else; nothing was written", where=os.fspath(target), remedy=remedy
        )
    return "replaced"


def _write(target: Path, content: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(target)
    except OSError as error:
        reason = (error.strerror or "unwritable").lower()
        raise InputError(
            f"it cannot be written ({reason})", where=os.fspath(target), remedy="name another folder"
        ) from None
