"""The eyes on a run: what a trainer tells while it trains, and when it is stopped.

    callbacks(run, tokenizer, rows, events) -> the list that a transformers or trl Trainer takes

Whatever is decided here follows from the trainer's own log (`state.log_history`), which every checkpoint holds: a run
that goes on after `--resume` decides as if it had never stopped.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate.errors import UsageError
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.training import retention, sampling
from gate.training.advice import outside_guides
from gate.training.callback import Callback
from gate.training.checkpoints import close_checkpoint, prune
from gate.training.device_use import Clock, memory_peak
from gate.training.divergence import without_adapter
from gate.training.events import Events, Value
from gate.training.run_file import Run
from gate.training.sign_rules import SignRules, load_sign_rules
from gate.training.signs import Curves, Evaluation, Point, signs, stops_early
from gate.training.stopping import Ending, Finite, Interruption, diverged

if TYPE_CHECKING:
    from gate.training.callback import Arguments, Control, State
    from gate.training.rows import Rows

_WITHOUT_ANSWERS = ("classify", "reward")
_ONLINE = ("rloo", "grpo")


def callbacks(run: Run, tokenizer: Any, rows: Rows, events: Events) -> list[Callback]:
    """What watches a run, in the order in which it is asked.

    Raises:
        GateError: the retention suite or `rules/training.yaml` cannot be used.
    """
    folders = Folders(find_settings(Path()).folder)
    rules = load_sign_rules(folders)
    ending = Ending(events)
    watching: list[Callback] = [Finite(ending, rules), Telling(run, events, ending), Looking(run, rules, events)]
    recipe = run.recipe
    if recipe.samples and recipe.objective not in _WITHOUT_ANSWERS:
        watching.append(Samples(run, tokenizer, rows, events))
    if recipe.monitor is not None:
        watching.append(Retention(run, tokenizer, folders, rules, events, ending))
    watching += [EarlyStop(run, ending), Interruption(ending), Closing(run), Ended(ending)]
    return watching


class Telling(Callback):
    """Writes the curves, and how training ended."""

    def __init__(self, run: Run, events: Events, ending: Ending) -> None:
        self._run, self._events, self._ending = run, events, ending
        self._step_began: float | None = None
        self._busy, self._tokens = 0.0, 0

    def on_train_begin(self, args: Arguments, state: State, control: Control, **more: Any) -> None:
        self._ending.clock, self._tokens = Clock(), _tokens(state, {})

    def on_step_begin(self, args: Arguments, state: State, control: Control, **more: Any) -> None:
        self._step_began = self._ending.clock.seconds

    def on_step_end(self, args: Arguments, state: State, control: Control, **more: Any) -> None:
        if self._step_began is not None:
            self._busy += self._ending.clock.seconds - self._step_began
        if control.should_evaluate or control.should_save:
            control.should_log = True  # a point of the curve beside each of the other, and none lost at a checkpoint

    def on_log(self, args: Arguments, state: State, control: Control, logs: dict[str, float], **more: Any) -> None:
        if "loss" not in logs:
            return
        tokens = _tokens(state, logs)
        _, device = self._ending.clock.used()
        fields: dict[str, Value] = {
            "step": state.global_step,
            "steps": state.max_steps,
            "epoch": logs.get("epoch", state.epoch),
            "loss": logs["loss"],
            "lr": logs.get("learning_rate"),
            "grad_norm": logs.get("grad_norm"),
            "tokens": tokens,
            "tokens_per_second": round((tokens - self._tokens) / self._busy, 1) if self._busy else None,
            "memory": memory_peak(),
            "device": device,
        }
        fields |= {key: value for key, value in _figures(logs).items() if key not in (*fields, "learning_rate")}
        self._tokens, self._busy = tokens, 0.0
        self._events.say("step", **fields)

    def on_evaluate(
        self, args: Arguments, state: State, control: Control, metrics: dict[str, float], **more: Any
    ) -> None:
        own = {key.removeprefix("eval_"): value for key, value in metrics.items()}
        fields: dict[str, Value] = {"step": state.global_step, **_figures(own)}
        self._events.say("evaluation", **fields)


class Looking(Callback):
    """Looks for warning signs at each point of a curve, and tells each once."""

    def __init__(self, run: Run, rules: SignRules, events: Events) -> None:
        self._run, self._rules, self._events = run, rules, events

    def on_train_begin(
        self,
        args: Arguments,
        state: State,
        control: Control,
        model: Any = None,
        train_dataloader: Any = None,
        **more: Any,
    ) -> None:
        rule = self._rules.rate_outside
        parameters = sum(each.numel() for each in model.parameters())
        examples = len(train_dataloader.dataset) if hasattr(train_dataloader, "dataset") else None
        for advice in outside_guides(self._run.recipe, parameters, examples):
            if advice.key == "lr" and advice.agreed and rule.severity != "off":
                self._tell(state, "rate_outside", 0, advice.message, advice.remedy, rule.severity)

    def on_log(self, args: Arguments, state: State, control: Control, **more: Any) -> None:
        self._look(args, state, finished=False)

    def on_train_end(self, args: Arguments, state: State, control: Control, **more: Any) -> None:
        self._look(args, state, finished=state.global_step >= state.max_steps)

    def _look(self, args: Arguments, state: State, *, finished: bool) -> None:
        online = self._run.recipe.objective in _ONLINE
        for sign in signs(
            curves_of(state.log_history, args.max_grad_norm, finished=finished, losses=not online), self._rules
        ):
            self._tell(state, sign.code, sign.step, sign.message, sign.remedy, sign.severity)

    def _tell(self, state: State, code: str, step: int, message: str, remedy: str, severity: str) -> None:
        if any(each.get("sign") == code for each in state.log_history):
            return
        state.log_history.append({"sign": code, "step": step})
        self._events.say("finding", code=code, step=step, message=message, remedy=remedy, severity=severity)


def curves_of(
    history: list[dict[str, Any]], clip: float = math.inf, *, finished: bool = False, losses: bool = True
) -> Curves:
    """The curves in a trainer's log."""
    points = [
        Point(each["step"], each.get("task_loss", each["loss"]), each.get("learning_rate"), each.get("grad_norm"))
        for each in history
        if "loss" in each
    ]
    evaluations = [Evaluation(each["step"], each["eval_loss"]) for each in history if "eval_loss" in each]
    return Curves(points, evaluations, clip or math.inf, finished, losses)


class Samples(Callback):
    """Has fixed prompts answered before training and at each evaluation."""

    def __init__(self, run: Run, tokenizer: Any, rows: Rows, events: Events) -> None:
        self._run, self._tokenizer, self._rows, self._events = run, tokenizer, rows, events
        self._prompts: list[sampling.Prompt] | None = None

    def on_train_begin(self, args: Arguments, state: State, control: Control, model: Any = None, **more: Any) -> None:
        if state.global_step == 0:
            self._ask(state, model)

    def on_evaluate(self, args: Arguments, state: State, control: Control, model: Any = None, **more: Any) -> None:
        self._ask(state, model)

    def _ask(self, state: State, model: Any) -> None:
        recipe = self._run.recipe
        if self._prompts is None:
            context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
            room = None if context is None else context - recipe.max_new_tokens - recipe.virtual_tokens
            self._prompts = sampling.prompts(self._rows, self._tokenizer, recipe.samples, room)
        if not self._prompts:
            return
        said = sampling.answers(model, self._tokenizer, self._prompts, recipe.max_new_tokens, together=_sharded())
        both = zip(self._prompts, said, strict=True)
        listed: list[Value] = [{"prompt": prompt.shown, "answer": answer} for prompt, answer in both]
        self._events.say("samples", step=state.global_step, answers=listed)


class Retention(Callback):
    """Scores what must not be forgotten: the untouched model, then every so many steps and at each evaluation."""

    def __init__(
        self, run: Run, tokenizer: Any, folders: Folders, rules: SignRules, events: Events, ending: Ending
    ) -> None:
        assert run.recipe.monitor is not None
        self._run, self._tokenizer, self._rules = run, tokenizer, rules
        self._events, self._ending, self._monitor = events, ending, run.recipe.monitor
        if run.recipe.objective in _WITHOUT_ANSWERS:
            raise UsageError(
                f"monitor: a model trained to {run.recipe.objective} answers nothing that could be scored",
                where="recipe",
                remedy="leave it out",
            )
        self._items = retention.suite_of(run, folders)

    def on_train_begin(self, args: Arguments, state: State, control: Control, model: Any = None, **more: Any) -> None:
        if any("retention" in each for each in state.log_history):
            return  # the run goes on: the untouched model was scored when it began
        if hasattr(model, "peft_config"):
            with without_adapter(model):
                scored = retention.score(model, self._tokenizer, self._items)
        else:
            scored = retention.score(model, self._tokenizer, self._items)
        self._note(state, scored, scored.share)
        rule = self._rules.blind_monitor
        least = max(self._monitor.margin, retention.guessing(self._items))
        if scored.share <= least and rule.severity != "off":
            message = (
                f"the untouched model answers {scored.right:,} of {scored.items:,} retention items, no more than "
                f"guessing or the margin ({least:.0%}): the monitor sees nothing"
            )
            self._events.say(
                "finding", code="blind_monitor", step=0, message=message, remedy=rule.remedy, severity=rule.severity
            )

    def on_step_end(self, args: Arguments, state: State, control: Control, model: Any = None, **more: Any) -> None:
        if state.global_step % self._monitor.every == 0:
            self._score(state, control, model)

    def on_evaluate(self, args: Arguments, state: State, control: Control, model: Any = None, **more: Any) -> None:
        if not any("retention" in each and each["step"] == state.global_step for each in state.log_history):
            self._score(state, control, model)

    def _score(self, state: State, control: Control, model: Any) -> None:
        base = next(each["retention_base"] for each in state.log_history if "retention" in each)
        scored = retention.score(model, self._tokenizer, self._items)
        self._note(state, scored, base)
        if retention.within(scored.share, base, self._monitor.margin):
            return
        control.should_training_stop = True
        if self._monitor.then == "stop":  # what there is stays: as a checkpoint, and judged beside the others
            control.should_evaluate = control.should_evaluate or not _evaluated(state)
            control.should_save = True
        if self._ending.reason != "forgetting":
            self._ending.reason = "forgetting"
            rule = self._rules.forgetting
            message = (
                f"the model answers {scored.share:.1%} of the retention suite, and the untouched one {base:.1%}: more "
                f"than the margin ({self._monitor.margin:.0%}) is lost"
            )
            self._events.say(
                "finding", code="forgetting", step=state.global_step, message=message, remedy=rule.remedy,
                severity=rule.severity,
            )  # fmt: skip

    def _note(self, state: State, scored: retention.Score, base: float) -> None:
        state.log_history.append({"retention": scored.share, "retention_base": base, "step": state.global_step})
        self._events.say(
            "retention", step=state.global_step, score=scored.share, base=base, margin=self._monitor.margin,
            items=scored.items, loss=scored.loss,
        )  # fmt: skip


class EarlyStop(Callback):
    """Ends training once the validation loss no longer improves, and at one that is no number."""

    def __init__(self, run: Run, ending: Ending) -> None:
        self._recipe, self._ending = run.recipe, ending

    def on_evaluate(
        self, args: Arguments, state: State, control: Control, metrics: dict[str, float], **more: Any
    ) -> None:
        if not math.isfinite(metrics.get("eval_loss", 0.0)):
            raise diverged(self._ending, state, state.global_step, f"the validation loss is {metrics['eval_loss']}")
        name = args.metric_for_best_model or "eval_loss"
        sign = -1 if args.greater_is_better else 1
        losses = [sign * each[name] for each in state.log_history if name in each]
        if state.global_step < state.max_steps and stops_early(losses, self._recipe.patience, self._recipe.threshold):
            control.should_training_stop = True
            self._ending.reason = self._ending.reason or "early_stop"


class Closing(Callback):
    """Closes each checkpoint once every process has written its part, so that a cut-off one is known as such, and
    keeps the best ones and the last."""

    def __init__(self, run: Run) -> None:
        self._keep = run.recipe.keep

    def on_save(self, args: Arguments, state: State, control: Control, **more: Any) -> None:
        import torch.distributed

        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            folder = Path(args.output_dir)
            close_checkpoint(folder / f"checkpoint-{state.global_step}")
            name = args.metric_for_best_model or "eval_loss"
            sign = -1 if args.greater_is_better else 1
            scores = {each["step"]: sign * each[name] for each in state.log_history if name in each}
            # The best of those that held the forgetting monitor's margin may not be among the best of all.
            prune(folder, scores, self._keep, [state.best_global_step] if state.best_global_step else [])


class Ended(Callback):
    """Says why training ended, after everybody else has said theirs."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def on_train_end(self, args: Arguments, state: State, control: Control, **more: Any) -> None:
        self._ending.tell(state)


def _evaluated(state: State) -> bool:
    return any("eval_loss" in each and each["step"] == state.global_step for each in state.log_history)


def _tokens(state: State, logs: dict[str, float]) -> int:
    """Seen so far, padding not counted."""
    return int(state.num_input_tokens_seen or logs.get("num_tokens", 0))


_KEPT_BY_THEMSELVES = ("epoch", "runtime", "train_runtime", "num_tokens", "num_input_tokens_seen")


def _figures(logs: dict[str, float]) -> dict[str, Value]:
    """What a library logged beside what gate tells itself: parts of the loss, rewards, accuracies."""
    numbers = {k: v for k, v in logs.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return {k: v for k, v in numbers.items() if k not in _KEPT_BY_THEMSELVES and not k.endswith("_per_second")}


def _sharded() -> bool:
    """Whether several devices hold one model among them."""
    flags = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
    return any(os.environ.get(flag, "").lower() in ("1", "true", "yes") for flag in flags)
