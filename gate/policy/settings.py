"""A repository's own settings: `gate.yaml`, found upwards from the data."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gate.data.columns import ColumnMap
from gate.errors import PolicyError
from gate.folders import repository_of
from gate.policy.form import SettingsForm
from gate.policy.load import is_file_name, validated
from gate.policy.model import Place
from gate.policy.yaml_file import read_yaml

FILE = "gate.yaml"
_MISNAMED = ("gate.yml", ".gate.yaml", ".gate.yml")
_OWN_RULES = ("rules/admission", "rules/expectations", "rules/snapshot.yaml", "rules/suites", "rules/promotion")
_OWN_RECIPES = ("trainers/recipes", "trainers/accelerate")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a repository says about itself; everything is empty where it says nothing."""

    path: Path | None = None
    """The `gate.yaml` that was found."""
    root: Path | None = None
    """Its folder, to which its paths are relative."""
    folder: Path | None = None
    """The user's folder for `Folders`: that of `gate.yaml`, else the nearest upwards that has rules; else recipes."""
    paths: tuple[str, ...] = ()
    """What to check where nothing is named, relative to `root`."""
    policy: Mapping[str, str] = field(default_factory=dict)
    """A policy's name or absolute file by kind (`chat`, …; `base` for rows of unknown kind)."""
    columns: ColumnMap | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each setting stands, by dotted key."""


def find_settings(start: Path) -> Settings:
    """Look for `gate.yaml` from the data upwards, as far as the root of the repository (`.git`) or of the file
    system.

    Args:
        start: a file or folder of data.

    Raises:
        PolicyError: the file is there and does not say something gate can do, or is misnamed.
    """
    here = start.resolve()
    own_rules: Path | None = None
    own_recipes: Path | None = None  # counts only where there are no rules: it must not hide those of a folder above
    for folder in (here, *here.parents):
        if os.path.lexists(folder / FILE):
            return _read(folder)
        for name in _MISNAMED:
            if os.path.lexists(folder / name):
                raise PolicyError(
                    "settings of this name are not read", where=str(folder / name), remedy=f"name it {FILE}"
                )
        if own_rules is None and any((folder / each).exists() for each in _OWN_RULES):
            own_rules = folder
        if own_recipes is None and any((folder / each).exists() for each in _OWN_RECIPES):
            own_recipes = folder
        if os.path.lexists(folder / ".git"):
            break
    return Settings(folder=own_rules or own_recipes)


def _read(root: Path) -> Settings:
    content = read_yaml(root / FILE, FILE)
    form = validated(SettingsForm, content)
    policies = form.policy.model_dump(exclude_none=True) if form.policy else {}
    for key, name in policies.items():
        if is_file_name(name):
            _inside(root, name, content.places.get(f"policy.{key}") or content.places.get("policy"))
    for index, path in enumerate(form.paths or ()):
        _inside(root, path, content.places.get(f"paths.{index}") or content.places.get("paths"))
    return Settings(
        path=root / FILE,
        root=root,
        folder=root,
        paths=tuple(form.paths or ()),
        policy={kind: str(root / name) if is_file_name(name) else name for kind, name in policies.items()},
        columns=form.columns,
        places=content.places,
    )


def _inside(root: Path, path: str, place: Place | None) -> None:
    """What settings name lies in their repository.

    Raises:
        PolicyError: it does not.
    """
    top = repository_of(root)
    # Of a pattern the part before its first wildcard is looked at, links followed.
    named = Path(os.path.normpath(root / path))
    while glob.has_magic(str(named)):
        named = named.parent
    if not named.resolve().is_relative_to(top):
        raise PolicyError(
            f"{path!r} leads out of the repository",
            where=str(place) if place else None,
            remedy="put it into the repository, or name it on the command line",
        )
