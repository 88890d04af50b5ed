"""Runs for somebody at a terminal, or as JSON: a list, one with its curves, two side by side."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.reporting.inert import inert, one_line
from gate.reporting.sparkline import sparkline
from gate.training.events import Event
from gate.training.history import number, whole
from gate.training.run_view import Comparison, RunView
from gate.training.runs import State

SCHEMA = "gate.runs/1"
_STYLES: dict[State, str] = {
    "prepared": "dim",
    "running": "cyan",
    "finished": "green",
    "failed": "red",
    "interrupted": "yellow",
}
_SAMPLES = 3
_LONGEST = 160  # characters of a sample, or of a difference


def render_runs(runs: Sequence[RunView], console: Console) -> None:
    """Print the list."""
    if not runs:
        console.print(Text("no runs yet: gate train makes one"))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    roomy = console.width >= 100  # else a run's name, which mostly ends in it, has to say the recipe
    table.add_column("run", overflow="fold", min_width=min(32, max(len(view.name) for view in runs)))
    for name in ("snapshots", "recipe") if roomy else ("snapshots",):
        table.add_column(name, overflow="fold")
    table.add_column("state", no_wrap=True)
    for name in ("step", "loss"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("begun", no_wrap=True)
    for view in runs:
        stands = view.folder.stands
        loss = "–" if view.loss is None else f"{view.loss:.4f}" + ("" if view.validated else "*")
        steps = view.history.steps
        table.add_row(
            Text(view.name),
            Text(", ".join(use.name for use in view.run.snapshots)),
            *([Text(one_line(view.folder.state.recipe, 60))] if roomy else []),
            Text(stands, style=_STYLES[stands]),
            f"{view.history.step:,}" + (f"/{steps:,}" if steps else ""),
            loss,
            (view.begun or "–")[5:16].replace("T", " "),
        )
    console.print(table)
    if any(view.loss is not None and not view.validated for view in runs):
        console.print(Text("* training loss: nothing was evaluated", style="dim"))


def render_run(view: RunView, console: Console) -> None:
    """Print everything that is known of a run."""

    def line(text: str, style: str = "") -> None:
        console.print(Text(inert(text), style=style), soft_wrap=True)

    stands, about = view.folder.stands, view.about
    console.print(Text.assemble((stands.upper(), f"bold {_STYLES[stands]}"), f"  {view.name}"), soft_wrap=True)
    for use in view.run.snapshots:
        weight = "" if use.weight is None else f", weight {use.weight:g}"
        line(f"{use.role:<10} {use.name}  {use.snapshot[:12]}{weight}")
    line(f"base       {view.run.base.name}  {view.run.base.digest[:12]}")
    line(f"recipe     {view.folder.state.recipe}: {view.run.recipe.objective} by {view.run.recipe.method}")
    line(
        f"script     {one_line(view.folder.state.script_name, 200)}  {view.folder.state.script[:12]}; "
        f"launch {view.folder.state.launch}"
    )
    for attempt in view.folder.state.attempts:
        went_on = "" if attempt.resumed is None else f", from step {attempt.resumed:,} on"
        until = f" to {attempt.ended[11:16]}" if attempt.ended else ""
        line(f"attempt    {attempt.started[:16].replace('T', ' ')}{until} UTC{went_on}")
    history = view.history
    if history.total:
        line(
            f"parameters {history.trainable or 0:,} of {history.total:,} train "
            f"({(history.trainable or 0) / history.total:.2%})"
        )
    console.print()
    _curves(view, console)
    _samples(history.samples, console)
    for finding in history.findings:
        said, remedy = one_line(str(finding.fields.get("message", "")), 400), finding.fields.get("remedy")
        line(f"step {whole(finding.fields.get('step')) or 0:,}: {finding.fields.get('code')}: {said}", "yellow")
        if remedy:
            line(f"  {one_line(str(remedy), 400)}")
    if about is not None and view.statement is not None:
        console.print()
        for on in about.snapshots:
            cut = f"; {on.truncated:,} cut" if on.truncated else ""
            line(
                f"{on.name} ({on.role}): {on.rows:,} rows = {on.trained:,} trained + {on.dropped:,} dropped + "
                f"{on.unseen:,} unseen{cut}"
            )
        if about.canaries:
            line(f"canaries   {about.canaries:,} marked strings beside the data")
        line(
            f"ended      {about.ended} at step {about.steps:,}, best at {about.best_step:,}; "
            f"{about.seconds:,} s on {about.device}"
        )
        line(f"used       {about.tokens:,} tokens, at most {about.peak_bytes / 1e6:,.0f} MB")
        line(f"candidate  {view.run.candidate}")
        line(f"model      {about.model}")
        line(f"statement  {view.statement.digest} by {view.statement.author} (gate verify {view.name} checks it)")
    elif view.folder.state.message and not view.folder.running:
        console.print()
        line(view.folder.state.message)
    if stands in ("interrupted", "prepared"):
        console.print(Text.assemble(("next: ", "dim"), f"gate train --resume {view.name}"))


def render_comparison(found: Comparison, console: Console) -> None:
    """Print two runs side by side: how they went, then what differs."""
    _table("how they went", found.figures, found, console, mark=True)
    _table("inputs", found.inputs, found, console)
    _table("recipe", found.recipe, found, console)
    if found.environment is None:
        console.print(Text("environments: one of them has no record yet"))
    else:
        _table("environment", found.environment, found, console)
    for view in (found.one, found.other):
        console.print(Text(view.name, style="bold"))
        _curves(view, console)


def _table(
    title: str, rows: Sequence[tuple[str, str, str]], found: Comparison, console: Console, *, mark: bool = False
) -> None:
    if not rows:
        console.print(Text(f"{title}: the same"))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in (title, found.one.name, found.other.name):
        table.add_column(name, overflow="fold")
    for key, one, other in rows:
        style = "bold" if mark and one != other else ""
        cells = (one_line(each, _LONGEST) for each in (one, other))
        table.add_row(Text(one_line(key, 60), style=style), *(Text(each) for each in cells))
    console.print(table)


def _curves(view: RunView, console: Console) -> None:
    history = view.history
    curves = (
        ("training loss", history.series("loss"), "{:.4f}"),
        ("validation", history.series("loss", "evaluations"), "{:.4f}"),
        ("rate", history.series("lr"), "{:.2g}"),
        ("gradient", history.series("grad_norm"), "{:.3g}"),
        ("tokens/s", history.series("tokens_per_second"), "{:,.0f}"),
        ("kept", history.series("score", "retention"), "{:.1%}"),
    )
    for name, points, form in curves:
        if points:
            values = [value for _, value in points]
            figures = f"{form.format(values[0])} → {form.format(values[-1])}"
            console.print(Text.assemble((f"{name:<13} ", "dim"), f"{sparkline(values)}  {figures}"), soft_wrap=True)


def _samples(samples: Sequence[Event], console: Console) -> None:
    """The fixed prompts as they were answered first and last."""
    if not samples:
        return
    first, last = samples[0].fields, samples[-1].fields
    before, after = first.get("answers"), last.get("answers")
    if not isinstance(before, list) or not isinstance(after, list):
        return
    console.print()
    for one, other in list(zip(before, after, strict=False))[:_SAMPLES]:
        if isinstance(one, dict) and isinstance(other, dict):
            console.print(Text(one_line(str(one.get("prompt", "")), _LONGEST), style="bold"), soft_wrap=True)
            for at, each in ((first, one), (last, other)):
                step = whole(at.get("step")) or 0
                said = one_line(str(each.get("answer", "")), _LONGEST)
                console.print(Text.assemble((f"  step {step:>5,}  ", "dim"), said), soft_wrap=True)
    console.print()


# --- JSON ---


def runs_json(runs: Sequence[RunView]) -> bytes:
    """The list."""
    return _json({"runs": [_summary(view) for view in runs]})


def run_json(view: RunView) -> bytes:
    """A run with its curves."""
    history = view.history

    def events(series: Sequence[Event]) -> list[dict[str, object]]:
        return [{"time": each.time, **each.fields} for each in series]

    return _json(
        {
            **_summary(view),
            "recipe_values": dict(view.recipe),
            "attempts": [each.model_dump(mode="json") for each in view.folder.state.attempts],
            "curves": events(history.points),
            "evaluations": events(history.evaluations),
            "samples": events(history.samples),
            "retention": events(history.retention),
            "findings": events(history.findings),
            "accounting": view.accounting,
            "environment": view.environment,
            "training": None if view.about is None else view.about.model_dump(mode="json"),
        }
    )


def comparison_json(found: Comparison) -> bytes:
    """Two runs side by side."""

    def rows(each: Sequence[tuple[str, str, str]] | None) -> list[dict[str, str]] | None:
        return None if each is None else [{"what": key, "one": one, "other": other} for key, one, other in each]

    return _json(
        {
            "one": _summary(found.one),
            "other": _summary(found.other),
            "figures": rows(found.figures),
            "inputs": rows(found.inputs),
            "recipe": rows(found.recipe),
            "environment": rows(found.environment),
        }
    )


def _summary(view: RunView) -> dict[str, object]:
    end = view.history.end
    return {
        "run": view.name,
        "state": view.folder.stands,
        "snapshots": [use.model_dump(mode="json") for use in view.run.snapshots],
        "base": {"name": view.run.base.name, "digest": view.run.base.digest},
        "recipe": view.folder.state.recipe,
        "recipe_digest": view.folder.state.recipe_digest,
        "begun": view.begun,
        "step": view.history.step,
        "steps": view.history.steps,
        "loss": view.loss,
        "loss_on": "validation" if view.validated else "training",
        "ended": None if end is None else end.fields.get("reason"),
        "best_step": None if end is None else number(end.fields.get("best_step")),
        "message": view.folder.state.message,
        "folder": str(view.folder.folder),
        "statement": view.folder.state.statement,
        "model": view.folder.state.model,
    }


def _json(content: dict[str, object]) -> bytes:
    return orjson.dumps({"schema": SCHEMA} | content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
