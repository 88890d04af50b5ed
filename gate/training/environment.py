"""What a run stood on: versions, settings and hardware that change its numbers, and nothing that names a machine.

There is no host name in it, no path and no user, so that two machines that are alike have the same document.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import distributions

from gate.version import __version__

SETTINGS = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "TOKENIZERS_PARALLELISM",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Environment variables that change numbers, or the order in which they are added up."""

Document = dict[str, object]
"""Canonical JSON."""


def environment_document(environment: Mapping[str, str] | None = None, *, device: str | None = None) -> Document:
    """The document.

    Args:
        environment: the variables that the trainer was started with; this process's where they are not given.
        device: what it trained on, as it told.
    """
    given = os.environ if environment is None else environment
    return {
        "gate": __version__,
        "python": {"implementation": platform.python_implementation(), "version": platform.python_version()},
        "platform": {
            "system": platform.system(),
            "machine": platform.machine(),
            "libc": " ".join(part for part in platform.libc_ver() if part),
            "processors": os.cpu_count() or 0,
        },
        "device": device,
        "packages": packages(),
        "settings": {name: given[name][:200] for name in SETTINGS if name in given},
    }


def packages() -> dict[str, str]:
    """The version of every installed distribution by its name, sorted. Where it came from (a folder, an address) is
    left out: it could name somebody."""
    found: dict[str, str] = {}
    for each in distributions():
        name = each.metadata["Name"]
        if name:
            # The first on the path is the one that is imported.
            found.setdefault(name.lower().replace("_", "-"), each.version or "")
    return dict(sorted(found.items()))


def differences(one: Mapping[str, object], other: Mapping[str, object], at: str = "") -> list[tuple[str, str, str]]:
    """What differs between two documents: (dotted key, here, there), `–` where it is absent."""
    found: list[tuple[str, str, str]] = []
    for key in sorted({*one, *other}):
        here, there = one.get(key), other.get(key)
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            found += differences(here, there, f"{at}{key}.")
        elif here != there:
            found.append((f"{at}{key}", _shown(here), _shown(there)))
    return found


def _shown(value: object) -> str:
    return "–" if value is None else str(value)
