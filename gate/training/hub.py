"""Fetches a model from the Hugging Face hub, pinned to a commit: the files that are loaded, and no others.

The only module here that speaks to a network, and only after a person named a model of the hub.
"""

from __future__ import annotations

import errno
import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gate.errors import InputError, MissingDependency
from gate.training.weights import INDEX, SINGLE

_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_REVISION = re.compile(r"[\w./-]{1,200}")
SMALL = (".json", ".jinja", ".txt", ".model", ".tiktoken", ".py")
"""How the names of files end that describe a model, its tokenizer and its templates."""

_TRANSPORTS = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3")
"""What huggingface_hub speaks with, in one version or another: their errors are the network's."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model of the hub, on this machine."""

    folder: Path
    commit: str
    """Forty hexadecimal digits."""


def hub_id(name: str) -> tuple[str, str | None] | None:
    """`owner/model`, or `owner/model@revision`, as (id, revision); None for what cannot be one."""
    repository, mark, revision = name.partition("@")
    if not _ID.fullmatch(repository) or (mark and not _REVISION.fullmatch(revision)):
        return None
    return repository, revision or None


def is_offline() -> bool:
    """Whether the surroundings forbid the hub (`HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`)."""
    said = (os.environ.get(name, "").strip().upper() for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(each in ("1", "ON", "YES", "TRUE") for each in said)


def fetch(repository: str, revision: str | None, *, offline: bool, weights: bool = True) -> Fetched:
    """A model's files in the hub's own cache on this machine, downloaded where they are not there yet.

    Args:
        repository: `owner/model`.
        revision: a branch, a tag or a commit; the main branch, if None. It is resolved to a commit first, and that
            commit is what is downloaded and recorded.
        offline: take what was downloaded before, and ask nobody.
        weights: False for what describes the model alone, to plan with.

    Raises:
        InputError: there is no such model or revision, it asks for an agreement, it has no safetensors, or the hub
            cannot be reached.
    """
    try:
        import huggingface_hub as hub
        from huggingface_hub.errors import (
            GatedRepoError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError:
        raise MissingDependency(
            f"`{repository}` is no folder here, and huggingface_hub, which fetches models, is not installed",
            remedy="pip install 'llm-gate[train]', or name a folder",
        ) from None
    try:
        if offline:
            # Of files in folders, and of weights, it knows that they were not all asked for: check_base looks itself.
            small = [f"*{each}" for each in SMALL]
            folder = Path(
                hub.snapshot_download(
                    repository,
                    revision=revision,
                    local_files_only=True,
                    allow_patterns=small,
                    ignore_patterns=["*/*"],
                )
            )
            return Fetched(folder, folder.name)
        said = hub.HfApi().model_info(repository, revision=revision)
        names = [each.rfilename for each in said.siblings or []]
        wanted = _wanted(repository, names, weights)
        patterns = [glob.escape(each) for each in wanted]
        # By its name, so that the cache remembers what the name stood for, and an offline run finds it again.
        folder = Path(hub.snapshot_download(repository, revision=revision, allow_patterns=patterns))
        if folder.name != said.sha:
            raise InputError("it changed while it was asked for", where=repository, remedy="try again")
        return Fetched(folder, folder.name)
    except GatedRepoError:
        raise InputError(
            "its owner asks for an agreement first",
            where=repository,
            remedy="agree on the model's page, then `hf auth login`",
        ) from None
    except RevisionNotFoundError:
        raise InputError(f"it has no revision `{revision}`", where=repository) from None
    except RepositoryNotFoundError:
        raise InputError(
            "there is no folder of this name here, and no model of this name on the hub",
            where=repository,
            remedy="check the spelling; a private model needs `hf auth login`",
        ) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled):
        raise InputError(
            "there is no folder of this name here, and the hub is off (HF_HUB_OFFLINE)",
            where=repository,
            remedy="name a folder, or unset HF_HUB_OFFLINE to download it",
        ) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                "there is no room left to download it", where=repository, remedy="make room, or set HF_HOME"
            ) from None
        if not isinstance(error, OSError) and type(error).__module__.split(".")[0] not in _TRANSPORTS:
            raise
        raise InputError(
            f"the hub cannot be reached ({type(error).__name__})",
            where=repository,
            remedy="try again (what was downloaded is kept), or name a folder",
        ) from None


def _wanted(repository: str, names: list[str], with_weights: bool = True) -> list[str]:
    """Which of a repository's files are fetched."""
    top = [name for name in names if len(PurePosixPath(name).parts) == 1]
    if SINGLE in top:
        weights = [SINGLE]
    elif INDEX in top:
        weights = [each for each in top if each.endswith(".safetensors") and not each.startswith("consolidated")]
    else:
        gguf = any(each.endswith(".gguf") for each in names)
        raise InputError(
            "it has GGUF files only, which are for inference" if gguf else "it has no safetensors",
            where=repository,
            remedy="name the model that it was converted from"
            if gguf
            else "look for another revision (NAME@REVISION), or convert it (docs/bases.md)",
        )
    small = [each for each in top if each.endswith(SMALL)]
    code = [each for each in names if each.endswith(".py")]
    templates = [each for each in names if each.startswith("additional_chat_templates/") and each.endswith(".jinja")]
    if not with_weights:  # nor the list of their files, which would have them looked for
        weights, code, small = [], [], [each for each in small if each != INDEX and not each.endswith(".py")]
    return sorted({*weights, *small, *code, *templates, *(each for each in top if each in ("README.md", "LICENSE"))})
