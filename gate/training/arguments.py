"""The one place where our keys become a library's: a recipe as `TrainingArguments`, or as one of trl's configurations.

The libraries rename their arguments from version to version, and their defaults surprise (bf16 and checkpointing on,
1,024 tokens, NaN left out of the logged loss): whatever matters is said here, and a test holds every name against the
installed classes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, TypeVar

from gate.errors import MissingDependency, PolicyError
from gate.training.recipe import LORA_FAMILY, Logger, Recipe, Schedule
from gate.training.run_file import Run

if TYPE_CHECKING:
    from transformers import TrainingArguments

    Arguments = TypeVar("Arguments", bound=TrainingArguments)

Value = str | int | float | bool | None | list[str] | dict[str, object]
"""What an argument of a library may be."""

SCHEDULES: Mapping[Schedule, str] = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
OPTIMISERS: Mapping[str, str] = {"adamw": "adamw_torch_fused", "adamw_8bit": "adamw_8bit", "sgd": "sgd"}
LOGGERS: Mapping[Logger, tuple[str, ...]] = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
}
"""The packages of which one has to be installed for a logger."""

_ONLINE = ("rloo", "grpo")
_NO_INPUT_IDS = ("orpo", *_ONLINE)
"""Objectives whose batches have no `input_ids`, of which the Trainer could count the tokens."""


def check_loggers(recipe: Recipe) -> None:
    """Whether every logger of a recipe is installed; nothing is imported.

    Raises:
        MissingDependency: one is not.
    """
    for name in recipe.loggers:
        if not any(find_spec(package) for package in LOGGERS[name]):
            raise MissingDependency(
                f"the logger {name!r} is not installed",
                where="loggers",
                remedy=f"pip install {LOGGERS[name][0]}, or take it out of the recipe's `loggers`",
            )


def on_cpu() -> bool:
    """Whether this process trains on the CPU: there is nothing else, or accelerate was told so."""
    import torch

    told = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes", "on")
    return told or not torch.accelerator.is_available()


def precision_of(recipe: Recipe) -> Literal["fp32", "bf16", "fp16"]:
    """The precision that training computes in on this device: what the recipe says, `auto` resolved.

    Raises:
        PolicyError: the device cannot compute in it.
    """
    import torch

    bf16 = on_cpu() or (torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False))
    if recipe.precision == "auto":
        return "bf16" if bf16 and not on_cpu() else "fp32"
    if recipe.precision == "bf16" and not bf16:
        raise PolicyError("precision: this device has no bf16", remedy="--set precision=fp16, or auto")
    if recipe.precision == "fp16" and on_cpu():
        raise PolicyError("precision: fp16 is not trained on a CPU", remedy="--set precision=bf16, or auto")
    return recipe.precision


def accumulation(recipe: Recipe, processes: int) -> int:
    """How many batches of a device go into one optimiser step.

    Args:
        processes: how many devices train.

    Raises:
        PolicyError: `batch` cannot be reached.
    """
    at_once = recipe.device_batch * processes
    if recipe.batch % at_once:
        fit = [each for each in range(1, recipe.batch + 1) if recipe.batch % (each * processes) == 0]
        remedy = f"--set device_batch={max(each for each in fit if each <= recipe.device_batch)}, or " if fit else ""
        raise PolicyError(
            f"batch: {recipe.batch} is no multiple of {at_once} (`device_batch: {recipe.device_batch}` on "
            f"{processes} device{'s' if processes > 1 else ''})",
            remedy=f"{remedy}--set batch={-(-recipe.batch // at_once) * at_once}",
        )
    return recipe.batch // at_once


def training_arguments(run: Run, config_class: type[Arguments], **own: Value) -> Arguments:
    """A run's recipe as the arguments of a Trainer.

    Args:
        run: the run; checkpoints go into its folder.
        config_class: `transformers.TrainingArguments`, or a configuration of trl's.
        own: arguments of the script's own, under the library's names; they win.

    Raises:
        PolicyError: this device, or this number of them, cannot do what the recipe says.
    """
    recipe = run.recipe
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    said = _of_any_trainer(run, processes) | _of_looking(recipe) | _of_the_objective(recipe)
    names = {field.name for field in fields(config_class)}
    made: Arguments = config_class(**{name: value for name, value in said.items() if name in names} | own)
    return made


def _of_any_trainer(run: Run, processes: int) -> dict[str, Value]:
    """What `TrainingArguments` has."""
    recipe, cpu, precision = run.recipe, on_cpu(), precision_of(run.recipe)
    return {
        "output_dir": os.fspath(run.checkpoints),
        "run_name": run.name,
        "report_to": list(dict.fromkeys(recipe.loggers)) or "none",
        "disable_tqdm": True,  # gate shows its own
        "use_cpu": cpu,
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "full_determinism": cpu,  # costs next to nothing there; on a GPU, kernels are slower or not there at all
        "learning_rate": recipe.lr,
        "lr_scheduler_type": SCHEDULES[recipe.schedule],
        "warmup_steps": recipe.warmup,  # below 1 a share, as in a recipe
        "num_train_epochs": float(recipe.epochs),
        "max_steps": recipe.max_steps or -1,
        "per_device_train_batch_size": recipe.device_batch,
        "per_device_eval_batch_size": recipe.device_batch,
        "gradient_accumulation_steps": accumulation(recipe, processes),
        "optim": OPTIMISERS[recipe.optimiser],
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.clip,
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "activation_checkpointing": recipe.checkpoint_activations,
        "activation_checkpointing_kwargs": {"use_reentrant": False} if recipe.checkpoint_activations else None,
        "include_num_input_tokens_seen": "no" if recipe.objective in _NO_INPUT_IDS else "non_padding",
    }


def _of_looking(recipe: Recipe) -> dict[str, Value]:
    """Logs, evaluations and checkpoints."""
    # An online objective's loss says nothing about its answers (its expectation is 0 where there is no KL term).
    metric = "eval_reward" if recipe.objective in _ONLINE else "eval_loss"
    return {
        "logging_strategy": "steps",
        "logging_steps": recipe.log_every,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # else NaN is left out of the loss, and nobody sees it
        "eval_strategy": "steps",
        "eval_steps": recipe.evaluate_every,
        "save_strategy": "steps",
        "save_steps": recipe.evaluate_every,
        "save_total_limit": None,  # gate.training.callbacks keeps the best ones: the library keeps one, and the last
        "load_best_model_at_end": True,
        "metric_for_best_model": metric,
        "greater_is_better": metric == "eval_reward",
    }


def _of_the_objective(recipe: Recipe) -> dict[str, Value]:
    """What only trl's configurations have."""
    said: dict[str, Value] = {
        "max_length": None,  # rows are cut, and counted, before the trainer sees them; trl's own default is 1,024
        "beta": recipe.beta,
        # trl switches all dropout off for some objectives, and a recipe's `dropout` would be a lie.
        "disable_dropout": recipe.method not in LORA_FAMILY or recipe.dropout == 0,
    }
    if recipe.objective in _ONLINE:
        # All answers to a prompt are scored together, so that an evaluation holds whole groups of them.
        groups = -(-recipe.device_batch // recipe.generations)
        said |= {
            "num_generations": recipe.generations,
            "max_completion_length": recipe.max_new_tokens,
            "temperature": recipe.temperature,
            "per_device_eval_batch_size": groups * recipe.generations,
        }
    return said
