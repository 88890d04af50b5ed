"""`run.json`: everything that a trainer has to know, resolved. gate writes it; the script of `trainers/` reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate.errors import UsageError
from gate.training.recipe import Recipe

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SnapshotUse(_Part):
    """A snapshot that the run reads, through `gate.open_snapshot`."""

    snapshot: Digest
    """Its id."""
    name: str
    """Its dataset's."""
    statement: Digest
    """The admission that it stands on."""
    role: Literal["train", "replay", "ewc"]
    weight: float | None = None
    """train: its share of what is seen is its weight over the sum of weights; None: by its number of rows."""


class BaseModelUse(_Part):
    """The base, checked by `gate.training.base_files`."""

    path: str
    """The folder with its files, absolute."""
    name: str
    """As the user named it: a path, or an id of the hub."""
    revision: str | None = None
    """The hub's, where it came from there."""
    digest: Digest
    """gate.training.model_files.model_digest of its files."""
    files: dict[str, Digest]
    """SHA-256 of each, by relative path."""
    template: str | None = None
    """A chat template named by the user (its text), for a base that brings none."""
    remote_code: bool = False
    """Whether its own Python may run: only when it was allowed by name and digest."""


class Run(_Part):
    """A run, ready to start."""

    format: Literal[1] = 1
    name: str
    """The run's, which is its folder's."""
    folder: str
    """Absolute. Holds run.json, events.jsonl, accounting.json, preview.json, checkpoints/, candidate/, log.txt."""
    store: str
    """Absolute."""
    trust: str | None = None
    """The trust file, absolute, or None where `trust_revision` says it."""
    trust_revision: str | None = None
    snapshots: list[SnapshotUse]
    base: BaseModelUse
    recipe: Recipe
    criteria: Digest | None = None
    """Of criteria.json: the promotion policy as it stood before training."""
    resume: str | None = None
    """The checkpoint to go on from, absolute."""

    @property
    def place(self) -> Path:
        """The run's folder."""
        return Path(self.folder)

    @property
    def candidate(self) -> Path:
        """The folder with what came out: the best checkpoint, and nothing that is not part of the model."""
        return self.place / "candidate"

    @property
    def checkpoints(self) -> Path:
        """The folder of `checkpoint-STEP` folders."""
        return self.place / "checkpoints"

    def of_role(self, role: str) -> list[SnapshotUse]:
        """The snapshots that are used so."""
        return [each for each in self.snapshots if each.role == role]

    def write(self) -> Path:
        """Write `run.json` into the run's folder, and return its path."""
        path = self.place / "run.json"
        path.write_text(self.model_dump_json(indent=1), "utf-8")
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Run:
        """Read a `run.json`.

        Raises:
            UsageError: there is none, or it is not one of this gate's.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise UsageError(
                f"the run cannot be read ({error.strerror})",
                where=os.fspath(path),
                remedy="trainers are started by `gate train`",
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(map(str, first["loc"]))
            raise UsageError(
                f"{at}: {first['msg']}", where=os.fspath(path), remedy="trainers are started by `gate train`"
            ) from None
