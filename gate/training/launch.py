"""Starts the trainer: its own process, in a process group of its own, under `accelerate launch`.

What it may not do is said here: no network (models and snapshots are files), no telemetry, and no module that happens
to lie in the working directory in place of a library.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gate.errors import MissingDependency, UsageError
from gate.folders import Folders
from gate.policy.yaml_file import read_yaml
from gate.training.accelerate_files import launch_options
from gate.training.recipe import SCRIPTS, Objective
from gate.training.run_file import Run

LOG = "log.txt"
NEEDED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
_QUIET = {
    "ACCELERATE_DISABLE_RICH": "1",
    "DO_NOT_TRACK": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TRANSFORMERS_OFFLINE": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",
}
"""The base was fetched and checked before; from then on everything is a file."""
_DEFAULTS = {
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Of a matrix product's workspace on a GPU, without which sums are not added up in the same order every time.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # glibc: memory of freed tensors stays with the process. Handing it back and asking for it again, each time cleared
    # page by page, took a quarter of a CPU run's time (7.7 of 25 s; 0.8 with these).
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "67108864",
}
"""What a person may say otherwise."""


@dataclass(frozen=True, slots=True)
class Script:
    """A trainer's script."""

    path: Path
    name: str
    """How to name it to a person."""
    digest: str
    """SHA-256 (hex) of its bytes."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How the trainer is started."""

    command: tuple[str, ...]
    environment: dict[str, str]
    """All of it."""

    @property
    def text(self) -> str:
        """The command as it may be typed."""
        return shlex.join(self.command)


def script_for(objective: Objective, folders: Folders, named: str | None = None) -> Script:
    """The script that trains for an objective: the one named, else the user's own, else gate's.

    Raises:
        UsageError: there is none.
    """
    relative = f"trainers/{SCRIPTS[objective]}.py"
    path = Path(named) if named is not None else folders.find(relative)
    if path is None or not path.is_file():
        raise UsageError(
            "there is no such script",
            where=named or relative,
            remedy="`gate recipes copy` gives you one to change" if named else "install llm-gate again",
        )
    name = named if named is not None else folders.origin(path)
    return Script(path.absolute(), name, hashlib.sha256(path.read_bytes()).hexdigest())


def launch_of(run: Run, script: Script, configuration: Path) -> Launch:
    """How to start a run.

    Args:
        configuration: of accelerate.

    Raises:
        MissingDependency: a library that trains, or that the configuration asks for, is not installed.
        PolicyError: the configuration cannot be launched.
    """
    for library in NEEDED:
        if find_spec(library) is None:
            raise MissingDependency(
                f"training needs {library}, which is not installed", remedy="pip install 'llm-gate[train]'"
            )
    # -P: a file called torch.py in the working directory is no library.
    start = (sys.executable, "-P", "-m", "accelerate.commands.launch", "--config_file", os.fspath(configuration))
    command = (*start, *launch_options(configuration), os.fspath(script.path), os.fspath(run.place / "run.json"))
    environment = environment_of(run, os.environ)
    if read_yaml(configuration, configuration.name).values.get("use_cpu") is True:
        environment["ACCELERATE_USE_CPU"] = "true"  # the launcher of several processes does not hand it on
    return Launch(command, environment)


def environment_of(run: Run, given: Mapping[str, str]) -> dict[str, str]:
    """The trainer's environment variables: this process's, with what keeps it quiet and repeatable."""
    own = {
        # In a folder of the run's own, and not in the working directory.
        "TENSORBOARD_LOGGING_DIR": os.fspath(run.place / "tensorboard"),
        "WANDB_DIR": os.fspath(run.place),
        **_DEFAULTS,
    }
    if "wandb" not in run.recipe.loggers:
        own["WANDB_MODE"] = "disabled"
    environment = own | dict(given) | _QUIET
    # Secrets that the trainer has no use for.
    for name in ("GATE_KEY", "GATE_KEY_PASSPHRASE"):
        environment.pop(name, None)
    if "PYTHONPATH" in environment:
        # Relative entries, and empty ones, stand for the working directory.
        kept = [each for each in environment["PYTHONPATH"].split(os.pathsep) if each and Path(each).is_absolute()]
        environment["PYTHONPATH"] = os.pathsep.join(kept)
    return environment


def start(launch: Launch, folder: Path, lock: int) -> subprocess.Popen[bytes]:
    """Start the trainer. What it prints goes to the end of `log.txt`; it reads nothing.

    Args:
        lock: file descriptor of the run's lock, which it holds for as long as it lives.

    Raises:
        UsageError: the log cannot be written.
    """
    try:
        log = (folder / LOG).open("ab")
    except OSError as error:
        raise UsageError(f"it cannot be written ({error.strerror})", where=os.fspath(folder / LOG)) from None
    with log:
        return subprocess.Popen(
            launch.command,
            env=launch.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            # In a session of its own: Ctrl-C in the terminal is gate's, which tells the trainer to finish its step.
            start_new_session=True,
        )
