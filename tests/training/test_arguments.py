"""A recipe's keys become the arguments of the installed libraries: every name exists there, and every value arrives."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from gate.errors import MissingDependency, PolicyError
from gate.folders import Folders
from gate.training import arguments
from gate.training.arguments import accumulation, check_loggers, precision_of, training_arguments
from gate.training.recipe import Recipe
from gate.training.recipe_files import load_recipe
from gate.training.run_file import BaseModelUse, Run

CONFIGS = {
    "sft": ("trl", "SFTConfig"),
    "pretrain": ("trl", "SFTConfig"),
    "classify": ("transformers", "TrainingArguments"),
    "dpo": ("trl", "DPOConfig"),
    "orpo": ("trl.experimental.orpo", "ORPOConfig"),
    "kto": ("trl", "KTOConfig"),
    "reward": ("trl", "RewardConfig"),
    "rloo": ("trl", "RLOOConfig"),
    "grpo": ("trl", "GRPOConfig"),
}
RECIPES = {
    "sft": "lora", "pretrain": "pretrain", "classify": "classify", "dpo": "dpo", "orpo": "orpo", "kto": "kto",
    "reward": "reward", "rloo": "rloo", "grpo": "grpo",
}  # fmt: skip
NEEDS = {"classify": ["label=category"], "rloo": ["reward_model=r"], "grpo": ["reward_model=r"]}


def recipe(name: str, *flags: str) -> Recipe:
    return load_recipe(name, Folders(), [*NEEDS.get(name, []), *flags]).recipe


def run_of(folder: Path, wanted: Recipe) -> Run:
    base = BaseModelUse(path="/nowhere", name="base", digest="0" * 64, files={})
    return Run(name="support-1", folder=str(folder), store=str(folder), snapshots=[], base=base, recipe=wanted)


def config(objective: str) -> type:
    from importlib import import_module

    module, name = CONFIGS[objective]
    found = getattr(import_module(module), name)
    assert isinstance(found, type)
    return found


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


def said(wanted: Recipe, folder: Path) -> dict[str, object]:
    """Every argument that the layer may give, before those that a class does not have are left out."""
    run = run_of(folder, wanted)
    return (
        arguments._of_any_trainer(run, 1)
        | arguments._of_looking(wanted)
        | arguments._of_the_objective(wanted)
    )  # fmt: skip


@pytest.mark.parametrize("objective", RECIPES)
def test_every_argument_exists_in_some_installed_configuration(objective: str, tmp_path: Path) -> None:
    names = {field.name for field in fields(config(objective))}
    everywhere = {field.name for field in fields(config("classify"))}
    given = said(recipe(RECIPES[objective]), tmp_path)
    own = set(arguments._of_the_objective(recipe(RECIPES[objective])))
    assert set(given) - own <= everywhere & names, "an argument of TrainingArguments has another name now"
    all_names = {field.name for each in CONFIGS for field in fields(config(each))}
    assert own <= all_names, "an argument of trl has another name now"


@pytest.mark.parametrize("objective", RECIPES)
def test_a_recipe_arrives_in_the_librarys_own_object(objective: str, tmp_path: Path) -> None:
    wanted = recipe(RECIPES[objective], "seed=7", "lr=3e-5", "evaluate_every=25", "keep=3")
    made = training_arguments(run_of(tmp_path, wanted), config(objective))
    assert made.learning_rate == 3e-5
    assert (made.seed, made.data_seed) == (7, 7)
    assert made.num_train_epochs == wanted.epochs
    assert made.warmup_steps == wanted.warmup
    assert made.weight_decay == wanted.weight_decay
    assert made.max_grad_norm == wanted.clip
    assert made.per_device_train_batch_size * made.gradient_accumulation_steps == wanted.batch
    assert (made.eval_strategy, made.eval_steps, made.save_steps, made.save_total_limit) == ("steps", 25, 25, None)
    assert made.load_best_model_at_end
    assert made.output_dir == str(tmp_path / "checkpoints")
    assert made.run_name == "support-1"


@pytest.mark.parametrize("objective", RECIPES)
def test_what_surprises_in_the_libraries_is_off(objective: str, tmp_path: Path) -> None:
    made = training_arguments(
        run_of(tmp_path, recipe(RECIPES[objective], "checkpoint_activations=false")), config(objective)
    )
    assert not made.bf16
    assert not made.fp16
    assert not made.activation_checkpointing
    assert not made.gradient_checkpointing
    assert getattr(made, "max_length", None) is None
    assert made.report_to == []
    assert made.disable_tqdm
    assert not made.logging_nan_inf_filter
    assert not made.push_to_hub
    assert made.use_cpu
    assert made.full_determinism


@pytest.mark.parametrize(
    ("objective", "name", "value"),
    [
        ("dpo", "beta", 0.1),
        ("orpo", "beta", 0.1),
        ("kto", "beta", 0.1),
        ("rloo", "beta", 0.05),
        ("grpo", "beta", 0.04),
        ("rloo", "num_generations", 4),
        ("grpo", "num_generations", 8),
        ("rloo", "max_completion_length", 64),
        ("rloo", "temperature", 1.0),
        ("rloo", "metric_for_best_model", "eval_reward"),
        ("rloo", "greater_is_better", True),
        ("sft", "metric_for_best_model", "eval_loss"),
        ("sft", "greater_is_better", False),
        ("dpo", "disable_dropout", True),
        ("orpo", "disable_dropout", False),
    ],
)
def test_what_an_objective_adds(objective: str, name: str, value: object, tmp_path: Path) -> None:
    made = training_arguments(run_of(tmp_path, recipe(RECIPES[objective])), config(objective))
    assert getattr(made, name) == value


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["schedule=constant"], "lr_scheduler_type", "constant_with_warmup"),
        (["schedule=cosine"], "lr_scheduler_type", "cosine"),
        (["warmup=30"], "warmup_steps", 30),
        (["warmup=0.2"], "warmup_steps", 0.2),
        (["max_steps=12"], "max_steps", 12),
        (["optimiser=sgd"], "optim", "sgd"),
        (["optimiser=adamw_8bit"], "optim", "adamw_8bit"),
        (["precision=bf16"], "bf16", True),
        (["checkpoint_activations=true"], "activation_checkpointing", True),
        (["checkpoint_activations=true"], "activation_checkpointing_kwargs", {"use_reentrant": False}),
        (["clip=0.5"], "max_grad_norm", 0.5),
        (["log_every=3"], "logging_steps", 3),
    ],
)
def test_a_flag_arrives(flags: list[str], name: str, value: object, tmp_path: Path) -> None:
    made = training_arguments(run_of(tmp_path, recipe("lora", *flags)), config("sft"))
    assert getattr(made, name) == value


@pytest.mark.parametrize("objective", RECIPES)
def test_no_argument_is_on_its_way_out(objective: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        training_arguments(run_of(tmp_path, recipe(RECIPES[objective])), config(objective))


def test_a_share_of_warm_up_is_one_of_all_steps(tmp_path: Path) -> None:
    made = training_arguments(run_of(tmp_path, recipe("lora", "warmup=0.1")), config("sft"))
    assert made.get_warmup_steps(200) == 20
    made = training_arguments(run_of(tmp_path, recipe("lora", "warmup=7")), config("sft"))
    assert made.get_warmup_steps(200) == 7


def test_a_scripts_own_arguments_win(tmp_path: Path) -> None:
    made = training_arguments(run_of(tmp_path, recipe("lora")), config("sft"), max_length=77, learning_rate=1.0)
    assert (made.max_length, made.learning_rate) == (77, 1.0)


def test_an_evaluation_of_answers_holds_whole_groups(tmp_path: Path) -> None:
    made = training_arguments(run_of(tmp_path, recipe("grpo", "device_batch=4", "batch=16")), config("grpo"))
    assert made.per_device_eval_batch_size == 8
    assert made.generation_batch_size == 16


@pytest.mark.parametrize(("processes", "steps"), [(1, 4), (2, 2), (4, 1)])
def test_a_batch_is_reached_by_accumulation_over_all_devices(processes: int, steps: int) -> None:
    assert accumulation(recipe("lora"), processes) == steps


@pytest.mark.parametrize(("processes", "remedy"), [(3, "batch=24"), (8, "device_batch=2, or --set batch=32")])
def test_a_batch_that_the_devices_cannot_reach(processes: int, remedy: str) -> None:
    with pytest.raises(PolicyError, match="no multiple of") as raised:
        accumulation(recipe("lora"), processes)
    assert remedy in str(raised.value)


def test_the_world_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(PolicyError, match="3 devices"):
        training_arguments(run_of(tmp_path, recipe("lora")), config("sft"))


def test_precision_by_device(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert precision_of(recipe("lora")) == "fp32"
    assert precision_of(recipe("lora", "precision=bf16")) == "bf16"
    with pytest.raises(PolicyError, match="fp16 is not trained on a CPU"):
        precision_of(recipe("lora", "precision=fp16"))
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert precision_of(recipe("lora")) == "bf16"
    assert precision_of(recipe("lora", "precision=fp32")) == "fp32"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert precision_of(recipe("lora")) == "fp32"
    assert precision_of(recipe("lora", "precision=fp16")) == "fp16"
    with pytest.raises(PolicyError, match="no bf16"):
        precision_of(recipe("lora", "precision=bf16"))


def test_a_logger_that_is_not_installed_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    check_loggers(recipe("lora"))
    monkeypatch.setattr(arguments, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="'mlflow' is not installed") as raised:
        check_loggers(recipe("lora", "loggers=[mlflow]"))
    assert "pip install mlflow" in str(raised.value)
    monkeypatch.setattr(arguments, "find_spec", lambda name: object() if name == "tensorboardX" else None)
    check_loggers(recipe("lora", "loggers=[tensorboard]"))


def test_loggers_arrive_once(tmp_path: Path) -> None:
    made = training_arguments(run_of(tmp_path, recipe("lora", "loggers=[wandb, wandb, mlflow]")), config("sft"))
    assert made.report_to == ["wandb", "mlflow"]


def test_checking_loggers_imports_no_torch() -> None:
    import subprocess
    import sys

    script = (
        "import sys, gate.training.arguments as a, gate.training.recipe_files as r; from gate.folders import Folders\n"
        "a.check_loggers(r.load_recipe('lora', Folders()).recipe)\n"
        "print([name for name in ('torch', 'transformers', 'trl') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"
