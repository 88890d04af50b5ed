"""The shipped configurations of accelerate are ones that accelerate itself takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import MissingDependency, PolicyError
from gate.folders import Folders
from gate.training import accelerate_files
from gate.training.accelerate_files import FOLDER, launch_configuration, launch_options, visible_devices

KINDS = {"cpu": "NO", "one": "NO", "ddp": "MULTI_GPU", "fsdp": "FSDP", "zero2": "DEEPSPEED", "zero3": "DEEPSPEED"}


def test_these_ship() -> None:
    assert set(Folders().names(FOLDER, ".yaml")) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_accelerate_reads_it(name: str) -> None:
    from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file

    read = load_config_from_file(str(launch_configuration(name, Folders())))
    assert isinstance(read, ClusterConfig)
    assert read.distributed_type.value == KINDS[name]
    assert read.use_cpu is (name == "cpu")
    assert read.mixed_precision == "no"  # else it would overrule the recipe's precision


@pytest.mark.parametrize("name", KINDS)
def test_accelerate_takes_every_setting_for_its_command_line(name: str) -> None:
    """`accelerate launch` copies settings into its arguments by name; one that it does not have changes nothing."""
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    known = vars(launch_command_parser().parse_args(["script.py"]))
    read = load_config_from_file(str(launch_configuration(name, Folders())))
    for part, prefix in ((read.fsdp_config, "fsdp_"), (read.deepspeed_config, "")):
        for key in part:
            assert key in known, key
            assert key.startswith(prefix)


@pytest.mark.parametrize("name", KINDS)
def test_accelerate_would_launch_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    monkeypatch.setattr(accelerate_files, "find_spec", lambda package: object())
    path = launch_configuration(name, Folders())
    said = ["--config_file", str(path), *launch_options(path), "script.py", "run.json"]
    args, _, _ = _validate_launch_command(launch_command_parser().parse_args(said))
    assert args.num_processes == (1 if KINDS[name] == "NO" else 3)
    assert (args.use_fsdp, args.use_deepspeed, args.multi_gpu) == (
        KINDS[name] == "FSDP", KINDS[name] == "DEEPSPEED", KINDS[name] == "MULTI_GPU",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "devices"), [("0,1", 2), ("0", 1), ("", 0), ("-1", 0), ("0,-1,2", 1), ("GPU-1a,GPU-2b", 2)]
)
def test_devices_are_those_that_a_trainer_will_see(told: str, devices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert visible_devices() == devices


def test_devices_are_listed_by_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(accelerate_files, "_DEVICES", tmp_path)
    assert visible_devices() == 0
    (tmp_path / "0000:01:00.0").mkdir()
    assert visible_devices() == 1
    monkeypatch.setattr(accelerate_files, "_DEVICES", tmp_path / "none")
    assert visible_devices() is None
    with pytest.raises(PolicyError, match="not known how many devices"):
        launch_options(launch_configuration("ddp", Folders()))


@pytest.mark.parametrize(("told", "remedy"), [("0", "use `one`"), ("", "use `cpu`")])
def test_several_devices_are_needed_for_several(told: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    with pytest.raises(PolicyError) as raised:
        launch_options(launch_configuration("fsdp", Folders()))
    assert raised.value.remedy == remedy
    assert launch_options(launch_configuration("one", Folders())) == ()


def test_a_number_in_the_file_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    path = tmp_path / "two.yaml"
    path.write_text("distributed_type: MULTI_GPU\nnum_processes: 2\n")
    assert launch_options(launch_configuration(str(path), Folders())) == ()


def test_deepspeed_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerate_files, "find_spec", lambda package: None)
    with pytest.raises(MissingDependency, match="DeepSpeed is not installed"):
        launch_options(launch_configuration("zero3", Folders()))


@pytest.mark.parametrize("name", ["fdsp", "../cpu", "", "nowhere.yaml", "a/b.yaml", "\x00"])
def test_a_configuration_that_is_not_there(name: str) -> None:
    with pytest.raises(PolicyError, match="there is no configuration") as raised:
        launch_configuration(name, Folders())
    assert "the configurations are cpu, ddp, fsdp, one, zero2, zero3" in str(raised.value)


def test_a_configuration_of_ones_own_comes_first_and_must_be_one(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / FOLDER).mkdir(parents=True)
    own = tmp_path / FOLDER / "fsdp.yaml"
    own.write_text("compute_environment: LOCAL_MACHINE\n")
    assert launch_configuration("fsdp", Folders(tmp_path)) == own.resolve()
    with pytest.raises(PolicyError, match="distributed_type"):
        launch_options(own)
    own.unlink()
    own.symlink_to(tmp_path.parent / "elsewhere.yaml")
    (tmp_path.parent / "elsewhere.yaml").write_text('distributed_type: "NO"\n')
    with pytest.raises(PolicyError, match="leads out of the repository"):
        launch_configuration("fsdp", Folders(tmp_path))
