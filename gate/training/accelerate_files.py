"""How many devices train together: configurations of accelerate's, `trainers/accelerate/NAME.yaml`, by name or path."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

from gate.errors import MissingDependency, PolicyError
from gate.folders import Folders
from gate.policy.invalid import nearest
from gate.policy.load import is_file_name
from gate.policy.yaml_file import YamlFile, read_yaml

FOLDER = "trainers/accelerate"
_DEVICES = Path("/proc/driver/nvidia/gpus")


def launch_configuration(name: str, folders: Folders) -> Path:
    """The file of a configuration, for `accelerate launch --config_file`.

    Args:
        name: `cpu`, `one`, `ddp`, `fsdp`, `zero2`, `zero3`, one of the user's own, or the path of a YAML file.

    Raises:
        PolicyError: there is none.
    """
    known = nearest(name, folders.names(FOLDER, ".yaml"), "a file ends in .yaml, and the configurations are")
    if is_file_name(name):
        if not Path(name).is_file():
            raise PolicyError(f"there is no configuration {name!r}", remedy=known)
        return Path(name).resolve()
    path = folders.find(f"{FOLDER}/{name}.yaml") if re.fullmatch(r"[\w.-]+", name) else None
    if path is None:
        raise PolicyError(f"there is no configuration {name!r}", remedy=known)
    if not folders.holds(path):
        raise PolicyError(f"the configuration {name!r} leads out of the repository", remedy="put the file into it")
    return path.resolve()


def launch_options(configuration: Path) -> tuple[str, ...]:
    """What has to be said beside a configuration on the command line of `accelerate launch`: the number of processes,
    one for each device, where the file leaves it open.

    Raises:
        PolicyError: the file says nothing that can be launched, or the devices cannot be counted.
        MissingDependency: DeepSpeed is asked for, and is not installed.
    """
    content = read_yaml(configuration, configuration.name)
    kind = _kind(content)
    if kind == "DEEPSPEED" and find_spec("deepspeed") is None:
        raise MissingDependency(
            "DeepSpeed is not installed", where=configuration.name, remedy="pip install deepspeed, or use fsdp"
        )
    if kind == "NO" or content.values.get("num_processes") is not None:
        return ()
    devices = visible_devices()
    if devices is None:
        raise PolicyError(
            "it is not known how many devices there are",
            where=configuration.name,
            remedy="set CUDA_VISIBLE_DEVICES=0,1,…, or write `num_processes:` into a copy of the file",
        )
    if devices < 2:
        raise PolicyError(
            f"it takes several devices, and there {'is one' if devices else 'are none'}",
            where=configuration.name,
            remedy="use `one`" if devices else "use `cpu`",
        )
    return ("--num_processes", str(devices))


def visible_devices() -> int | None:
    """How many GPUs a trainer will see: `CUDA_VISIBLE_DEVICES`, else what the driver lists; None where neither says."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        listed = [each.strip() for each in told.split(",")]
        return listed.index("-1") if "-1" in listed else sum(bool(each) for each in listed)
    return sum(1 for _ in _DEVICES.iterdir()) if _DEVICES.is_dir() else None


def _kind(content: YamlFile) -> str:
    kind = content.values.get("distributed_type")
    if not isinstance(kind, str):
        raise PolicyError(
            "distributed_type: missing, or no text", where=content.file, remedy='write `distributed_type: "NO"`'
        )
    return kind
