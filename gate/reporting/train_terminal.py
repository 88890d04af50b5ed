"""A run for somebody who watches it: a bar on a terminal, plain lines elsewhere, and what came of it."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from gate.errors import GateError
from gate.provenance.statements import Training
from gate.reporting.counts import counted
from gate.reporting.inert import inert, one_line
from gate.reporting.progress import Progress as Stages
from gate.training.events import Event
from gate.training.history import number, whole
from gate.training.launch import launch_of
from gate.training.mishaps import TrainingFailed
from gate.training.outcome import Interrupted, Prepared, Trained
from gate.training.run_file import Run

SCHEMA = "gate.training/1"
_LINES_EVERY = 20.0
"""Seconds between two lines of progress where there is no terminal."""
_SEVERITY = {"error": "bold red", "warning": "yellow", "info": "dim"}
_STAGES = {
    "data": "reading the snapshots' rows",
    "tokens": "turning rows into tokens",
    "model": "loading the model",
    "training": "training",
    "saved": "saving the candidate",
}


class Screen:
    """What is shown while a run goes on; everything on the console of errors."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stages: Stages | None = None
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._said = 0.0
        self._unit = ""
        self._lines = 0

    def __enter__(self) -> Self:
        self._stages = Stages(self._console)
        self._stages.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bars()
        if self._stages is not None:
            self._stages.__exit__(None, None, None)
            self._stages = None

    def _end_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars, self._task = None, None

    # What `gate.training.outcome.Watching` tells

    def on_stage(self, stage: str, done: int, total: int) -> None:
        """How far checking, or recording, is."""
        if stage == "recording" and self._stages is None:
            self._end_bars()
            self._stages = Stages(self._console)
            self._stages.__enter__()
        if self._stages is not None:
            self._stages.update("verifying" if stage.startswith("verifying") else stage, done, total)

    def on_prepared(self, run: Run, step: int) -> None:
        """Everything was checked, and the trainer starts."""
        if self._stages is not None:
            self._stages.__exit__(None, None, None)
            self._stages = None
        recipe = run.recipe
        self._line(f"run {run.name}  ({run.place})", "bold")
        for use in run.snapshots:
            weight = "" if use.weight is None else f", weight {use.weight:g}"
            self._line(f"  {use.role:<7} {use.name}  {use.snapshot[:12]}{weight}, approved")
        self._line(f"  base    {one_line(run.base.name, 200)}  {run.base.digest[:12]}")
        self._line(f"  recipe  {recipe.objective} by {recipe.method}, rate {recipe.lr:g}, batch {recipe.batch}")
        if step:
            self._line(f"going on from step {step:,}")
        if self._console.is_terminal and not self._console.quiet:
            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}", markup=False),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bars.start()
            self._task = self._bars.add_task("starting the trainer", total=None, figures="")

    def on_event(self, event: Event) -> None:
        """What the trainer tells."""
        fields = event.fields
        match event.kind:
            case "stage":
                name = str(fields.get("name", ""))
                if self._bars is not None and self._task is not None:
                    self._bars.update(self._task, description=one_line(_STAGES.get(name, name), 40))
                elif name in ("data", "model"):
                    self._line(_STAGES[name])
            case "parameters":
                trainable, total = whole(fields.get("trainable")), whole(fields.get("total"))
                if trainable is not None and total:
                    self._line(f"{trainable:,} of {total:,} parameters train ({trainable / total:.2%})")
            case "step":
                self._step(event)
            case "evaluation":
                loss = number(fields.get("loss"))
                self._line(f"step {whole(fields.get('step')) or 0:,}: validation loss {_figure(loss)}")
            case "retention":
                score, base = number(fields.get("score")), number(fields.get("base"))
                self._line(
                    f"step {whole(fields.get('step')) or 0:,}: keeps {_share(score)} of what must not be forgotten "
                    f"(the base: {_share(base)})"
                )
            case "finding":
                severity = str(fields.get("severity", "warning"))
                message = one_line(str(fields.get("message", "")), 400)
                self._line(
                    f"{severity}: {one_line(str(fields.get('code', '')), 60)}: {message}", _SEVERITY.get(severity)
                )
                if remedy := fields.get("remedy"):
                    self._line(f"  {one_line(str(remedy), 400)}")
            case _:
                pass

    def on_note(self, note: str) -> None:
        """A sentence."""
        self._line(note, "yellow")

    def _step(self, event: Event) -> None:
        fields = event.fields
        step, steps = whole(fields.get("step")) or 0, whole(fields.get("steps"))
        speed = number(fields.get("tokens_per_second"))
        figures = [f"loss {_figure(number(fields.get('loss')))}", f"rate {_figure(number(fields.get('lr')), 2)}"]
        if speed:
            figures.append(f"{speed:,.0f} tokens/s")
        if self._bars is not None and self._task is not None:
            self._bars.update(
                self._task, description="training", completed=step, total=steps, figures="  ".join(figures)
            )
            return
        now = time.monotonic()
        if now - self._said >= _LINES_EVERY or step == steps:
            self._said = now
            of = f" of {steps:,}" if steps else ""
            self._line(f"step {step:,}{of}: {', '.join(figures)}")

    def _line(self, text: str, style: str | None = None) -> None:
        self._console.print(Text(inert(text), style=style or ""), soft_wrap=True)

    # What came of it

    def render(self, trained: Trained) -> None:
        """Print the candidate, its books, and what is next. Readable at 80 columns."""
        about = training_of(trained)
        self._console.print()
        ended = {"finished": "", "early_stop": ", stopped early", "forgetting": ", stopped by the forgetting monitor"}
        best = f", best at {about.best_step:,}" if about.best_step != about.steps else ""
        self._console.print(
            Text.assemble(("TRAINED", "bold green"), f"  {about.name}: {counted(about.steps, 'step')}{best}"
                          f"{ended.get(about.ended, '')}; {_time(about.seconds)} on {one_line(about.device, 60)}"),
            soft_wrap=True,
        )  # fmt: skip
        self._line(f"candidate  {trained.run.candidate}")
        self._line(f"model      {about.model}")
        self._line(f"statement  {trained.statement.digest} by {trained.statement.author}")
        for each in about.snapshots:
            role = "" if each.role == "train" else f" ({each.role})"
            cut = f"; {each.truncated:,} cut" if each.truncated else ""
            self._line(
                f"{each.name}{role}: {each.rows:,} rows = {each.trained:,} trained + {each.dropped:,} dropped + "
                f"{each.unseen:,} unseen{cut}"
            )
        self._line(
            f"{about.trainable:,} of {about.parameters:,} parameters trained; {about.tokens:,} tokens, at most "
            f"{about.peak_bytes / 1e6:,.0f} MB"
        )
        if about.findings:
            self._line(f"warning signs: {', '.join(about.findings)}", "yellow")
        self._console.print(
            Text.assemble(("next: ", "dim"), f"gate runs show {about.name}, gate verify {about.name}"), soft_wrap=True
        )


def training_of(trained: Trained) -> Training:
    """What its statement says."""
    assert isinstance(trained.statement.about, Training)
    return trained.statement.about


def document(trained: Trained) -> bytes:
    """`gate.training/1`: what came of a run."""
    about = training_of(trained)
    content = {
        "schema": SCHEMA,
        "run": about.name,
        "state": "finished",
        "folder": str(trained.run.place),
        "candidate": str(trained.run.candidate),
        "statement": trained.statement.digest,
        "passed_over": list(trained.passed_over),
        **about.model_dump(mode="json", exclude={"name"}),
    }
    return _json(content)


def failure(error: GateError) -> bytes:
    """`gate.training/1` where there is no candidate."""
    interrupted = isinstance(error, Interrupted)
    return _json(
        {
            "schema": SCHEMA,
            "run": error.where if interrupted or isinstance(error, TrainingFailed) else None,
            "state": "interrupted" if interrupted else "failed" if isinstance(error, TrainingFailed) else "refused",
            "code": error.code if isinstance(error, TrainingFailed) else type(error).__name__,
            "message": error.what,
            "where": error.where,
            "remedy": error.remedy,
            "exit_code": error.exit_code,
        }
    )


def dry_run_document(prepared: Prepared) -> bytes:
    """`gate.training/1` of a run that was checked and not started."""
    return _json(
        {
            "schema": SCHEMA,
            "run": prepared.run.name,
            "state": "prepared",
            "command": list(launch_of(prepared.run, prepared.script, prepared.configuration_path).command),
            "script": {"name": prepared.script.name, "sha256": prepared.script.digest},
            "launch": prepared.configuration,
            "recipe": prepared.resolved.document(),
            "places": {key: str(place) for key, place in prepared.resolved.places.items()},
            "snapshots": [use.model_dump(mode="json") for use in prepared.run.snapshots],
            "base": prepared.run.base.model_dump(mode="json"),
        }
    )


def render_dry_run(prepared: Prepared, console: Console) -> None:
    """Print the exact command and the recipe as it was resolved, each value with where it was written."""

    def line(text: str, style: str = "") -> None:
        console.print(Text(inert(text), style=style), soft_wrap=True)

    run = prepared.run
    line(launch_of(run, prepared.script, prepared.configuration_path).text)
    line("")
    for use, snapshot in prepared.opened:
        splits = ", ".join(f"{count:,} {split}" for split, count in snapshot.counts.items())
        line(f"# {use.role} {use.name} {use.snapshot[:12]}: approved, {splits}")
    line(f"# base {run.base.name} {run.base.digest[:12]}")
    line(f"# script {prepared.script.name} {prepared.script.digest[:12]}; launch {prepared.configuration}")
    line(f"# run {run.name}")
    line("")
    for key, value in prepared.resolved.document().items():
        text = f"{key}: {orjson.dumps(value).decode()}"
        line(f"{text:<40}  # {prepared.resolved.places.get(key, 'default')}")


def _json(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _figure(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}g}" if digits < 4 else f"{value:.4f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _time(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
