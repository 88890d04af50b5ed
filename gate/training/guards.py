"""Guards against forgetting, added to any trainer of transformers or trl.

    trainer = guarded(SFTTrainer)(run=run, events=events, model=model, args=…)

To the loss that the trainer has come, as the recipe asks: KL to the base over the learned tokens (`kl`), and what holds
weights to where they began (`l2sp`, `ewc`). Validation is judged by the plain loss. What each costs:

kl    one forward pass of the base; under an adapter no memory (the adapter is switched off), else a copy of the weights
l2sp  under LoRA r x r numbers a layer, else a copy of the weights that are trained
ewc   the same, and the Fisher information beside it: as large as those weights, under an adapter two vectors a layer

All of them count the same however a batch is divided over accumulation steps and devices.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from gate.errors import UsageError
from gate.training.anchors import Anchor, anchor
from gate.training.divergence import Divergence
from gate.training.events import Events
from gate.training.retention import Forgotten, held_at
from gate.training.run_file import Run
from gate.training.stopping import Finite, Interruption

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

KL_OBJECTIVES = ("sft", "pretrain")
"""Those that learn tokens; of the others `beta` does what `kl` does here, and a class has no base to differ from."""


def guarded(trainer_class: type[Any]) -> type[Any]:  # any of transformers' and trl's, whose classes mypy does not see
    """A trainer class with gate's guards, layer-wise rates and figures.

    Its constructor takes `run` and `events` beside what the class takes by name.
    """

    class Guarded(trainer_class):  # type: ignore[misc]  # known at run time only
        def __init__(self, *, run: Run, events: Events, model: Module, **kwargs: Any) -> None:
            self._run, self._events = run, events
            self._divergence = _divergence(run, model)  # before trl changes the model's forward pass
            super().__init__(model=model, **kwargs)
            self._anchors: dict[str, Anchor] = {}
            self._parts: dict[str, Tensor] = {}
            self._kl: Tensor | float = 0.0
            self._since = 0
            self._one_device_each(run)

        # --- The loss ---

        def train(self, *args: Any, **kwargs: Any) -> Any:
            if not self._anchors:  # the model is the base still, and on its device
                self._anchors = _anchors(self._run, self.model, self.processing_class, self._events)
            try:
                result = super().train(*args, **kwargs)
            finally:
                for each in self.callback_handler.callbacks:
                    if isinstance(each, Interruption):
                        each.close()
            self._restore()
            return result

        def compute_loss(
            self,
            model: Module,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Tensor | None = None,
        ) -> Any:
            arguments: dict[str, Any] = {"return_outputs": return_outputs, "num_items_in_batch": num_items_in_batch}
            if self._divergence is None or not self.model.training:
                return super().compute_loss(model, inputs, **arguments)
            with self._divergence.hidden() as states:
                returned = super().compute_loss(model, inputs, **arguments)
            loss, *outputs = returned if return_outputs else (returned,)
            divergence, learned = self._divergence.total(states[0], inputs)
            if num_items_in_batch is None:
                mean = divergence / learned.clamp(min=1)
            else:  # as the loss is: summed over the whole batch, on all devices, whose gradients are averaged
                mean = divergence / num_items_in_batch
                if self.args.average_tokens_across_devices:
                    mean = mean * self.accelerator.num_processes
            self._kl = mean.detach() / self._divided(num_items_in_batch)
            loss = loss + self._run.recipe.kl * mean
            return (loss, *outputs) if return_outputs else loss

        def training_step(self, model: Module, inputs: Any, num_items_in_batch: Tensor | None = None) -> Tensor:
            if not self._parts:
                self._since = self.state.global_step
            loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
            for each in self.callback_handler.callbacks:
                if isinstance(each, Finite):
                    each.scaled = self.accelerator.scaler is not None
                    each.loss(loss)
            self._count("task_loss", loss - self._run.recipe.kl * self._kl)
            if self._divergence is not None:
                self._count("kl", self._kl)
            if self.accelerator.sync_gradients:  # once for each step, whatever it was gathered from
                for name, held in self._anchors.items():
                    distance = held.pull(self._scale())
                    self._count(name, distance)
                    loss = loss + held.penalty(distance)
            return loss

        def _divided(self, num_items_in_batch: Tensor | None) -> int:
            """By what `Trainer.training_step` is going to divide the loss."""
            scaled = getattr(self, "loss_is_scaled_for_ga", None)
            if scaled is None:
                scaled = (self.model_accepts_loss_kwargs and num_items_in_batch is not None) or (
                    self.compute_loss_func is not None
                )
            return 1 if scaled else int(self.current_gradient_accumulation_steps)

        def _scale(self) -> float:
            """fp16 multiplies gradients, so that small ones do not vanish."""
            scaler = self.accelerator.scaler
            return 1.0 if scaler is None else float(scaler.get_scale())

        def _one_device_each(self, run: Run) -> None:
            recipe = run.recipe
            asked = [key for key in ("kl", "l2sp", "ewc") if getattr(recipe, key)]
            if asked and (self.is_fsdp_enabled or self.is_deepspeed_enabled):
                raise UsageError(
                    f"{asked[0]}: works where every device holds the whole model, not under FSDP or DeepSpeed",
                    where="recipe",
                    remedy="`replay` and `monitor` work there too",
                )

        # --- Figures ---

        def _count(self, name: str, value: Tensor) -> None:
            self._parts[name] = self._parts[name] + value if name in self._parts else value.clone()

        def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
            """Each part of the loss beside the whole, mean per step since the last time."""
            if "loss" in logs and self.model.training:
                steps = max(self.state.global_step - self._since, 1)
                for name, value in self._parts.items():
                    if len(self._parts) > 1:  # without guards the task's loss is the loss
                        logs[name] = float(self.accelerator.reduce(value, "mean")) / steps
                self._parts = {}
            super().log(logs, *args, **kwargs)

        # --- Layers learn at rates of their own ---

        def create_optimizer(self, *args: Any, **kwargs: Any) -> Optimizer:
            made = self.optimizer is None
            optimiser: Optimizer = super().create_optimizer(*args, **kwargs)
            if made and self._run.recipe.layer_decay < 1:
                from gate.training.methods import parameter_groups

                optimiser.param_groups.clear()
                # The top layers' rate stands first, which is the one that is logged.
                for group in parameter_groups(args[0] if args else self.model, self._run):
                    optimiser.add_param_group(group)
            return optimiser

        # --- The best checkpoint is one that has not forgotten ---

        def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
            """transformers asks here whether an evaluation is the best so far."""
            monitor = self._run.recipe.monitor
            if monitor is not None and monitor.then == "restore":
                held = held_at(self.state.log_history, self.state.global_step, monitor.margin)
                if not held:
                    return False
            return bool(super()._determine_best_metric(metrics, trial))

        def _restore(self) -> None:
            monitor = self._run.recipe.monitor
            if monitor is None or monitor.then != "restore":
                return
            if self.state.best_model_checkpoint is None:
                if any(not held_at(self.state.log_history, x["step"], monitor.margin) for x in self._scores()):
                    raise Forgotten(
                        "the model forgot more than the margin before there was a checkpoint that holds it",
                        where=f"retention suite {monitor.suite}",
                        remedy="a lower `lr`, fewer `epochs`, LoRA, `replay` or `kl` keep more; or evaluate earlier "
                        "(`evaluate_every`)",
                    )
            elif not self.args.load_best_model_at_end:
                self._load_best_model()

        def _scores(self) -> list[dict[str, Any]]:
            return [each for each in self.state.log_history if "retention" in each]

    Guarded.__name__ = Guarded.__qualname__ = trainer_class.__name__  # trl names its files after it
    return Guarded


def _divergence(run: Run, model: Module) -> Divergence | None:
    if not run.recipe.kl:
        return None
    if run.recipe.objective not in KL_OBJECTIVES:
        raise UsageError(
            f"kl: is for {' and '.join(KL_OBJECTIVES)}, not for {run.recipe.objective}",
            where="recipe",
            remedy="`beta` says how far dpo, kto, rloo and grpo may go from the base",
        )
    if hasattr(model, "peft_config"):
        return Divergence(model)
    base = copy.deepcopy(model).requires_grad_(False).eval()
    return Divergence(model, base)


def _anchors(run: Run, model: Module, tokenizer: Any, events: Events) -> dict[str, Anchor]:
    recipe = run.recipe
    held: dict[str, Anchor] = {}
    if recipe.l2sp:
        held["l2sp"] = anchor(model, recipe.method, recipe.l2sp, "l2sp")
    if recipe.ewc is not None:
        from gate.training.fisher import importance

        events.say("stage", name="fisher")
        held["ewc"] = anchor(model, recipe.method, recipe.ewc.strength, "ewc", importance(run, model, tokenizer))
    return held
