"""How the trainer is started: quiet, without keys, from the script that was found, and by no file that lies around."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.folders import SHIPPED, Folders
from gate.training.accelerate_files import launch_configuration
from gate.training.launch import environment_of, launch_of, script_for
from gate.training.recipe import SCRIPTS
from gate.training.run_file import BaseModelUse, Run, SnapshotUse
from tests.training.made import recipe
from tests.training.ran import STAND_IN

DIGEST = "0" * 64


def run_in(folder: Path, **keys: object) -> Run:
    base = BaseModelUse(path="/b", name="b", digest=DIGEST, files={})
    use = SnapshotUse(snapshot=DIGEST, name="a", statement=DIGEST, role="train")
    return Run(name="r", folder=str(folder), store=str(folder), snapshots=[use], base=base, recipe=recipe(**keys))


def test_every_objective_has_its_script() -> None:
    for objective in SCRIPTS:
        found = script_for(objective, Folders())
        assert found.path.parent == SHIPPED / "trainers"
        assert len(found.digest) == 64


def test_a_script_of_the_users_own_comes_first(tmp_path: Path) -> None:
    (tmp_path / "trainers").mkdir()
    (tmp_path / "trainers" / "sft.py").write_text("print()")
    assert script_for("sft", Folders(tmp_path)).path == tmp_path / "trainers" / "sft.py"
    with pytest.raises(UsageError, match="no such script"):
        script_for("sft", Folders(), str(tmp_path / "other.py"))


def test_the_environment_is_quiet_and_has_no_keys(tmp_path: Path) -> None:
    given = {"GATE_KEY": "secret", "GATE_KEY_PASSPHRASE": "secret", "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "3",
             "PYTHONHASHSEED": "7"}  # fmt: skip
    found = environment_of(run_in(tmp_path), given)
    assert "secret" not in found.values()
    wanted = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "DO_NOT_TRACK": "1", "WANDB_MODE": "disabled",
              "OMP_NUM_THREADS": "3", "PYTHONHASHSEED": "7"}  # fmt: skip
    assert wanted.items() <= found.items()


def test_a_logger_that_was_asked_for_is_left_as_it_is(tmp_path: Path) -> None:
    found = environment_of(run_in(tmp_path, loggers=["wandb"]), {"WANDB_MODE": "offline"})
    assert found["WANDB_MODE"] == "offline"
    assert "WANDB_MODE" not in environment_of(run_in(tmp_path, loggers=["wandb"]), {})


def test_relative_entries_of_pythonpath_stand_for_the_working_directory_and_go(tmp_path: Path) -> None:
    given = {"PYTHONPATH": os.pathsep.join(["", "here", str(tmp_path), "."])}
    assert environment_of(run_in(tmp_path), given)["PYTHONPATH"] == str(tmp_path)


def test_a_file_in_the_working_directory_is_no_library(tmp_path: Path) -> None:
    for name in ("accelerate.py", "torch.py", "psutil.py"):
        (tmp_path / name).write_text("raise SystemExit('hijacked')")
    script = tmp_path / "scripts" / "hello.py"
    script.parent.mkdir()
    script.write_text("import torch, sys; print('hello', torch.__version__)")
    run = run_in(tmp_path)
    found = script_for("sft", Folders(), str(script))
    launch = launch_of(run, found, launch_configuration("cpu", Folders()))
    done = subprocess.run(
        launch.command, env=launch.environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("hello"), done.stderr


def test_the_command_is_accelerates_launcher_by_this_very_python(tmp_path: Path) -> None:
    launch = launch_of(
        run_in(tmp_path), script_for("sft", Folders(), str(STAND_IN)), launch_configuration("cpu", Folders())
    )
    assert launch.command[:4] == (sys.executable, "-P", "-m", "accelerate.commands.launch")
    assert launch.command[-2:] == (str(STAND_IN), str(tmp_path / "run.json"))
