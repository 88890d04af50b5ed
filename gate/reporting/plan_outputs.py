"""Where a plan goes as a file: JSON for programs, one HTML page for a browser."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from gate.errors import UsageError
from gate.folders import Folders
from gate.reporting.inert import one_line
from gate.reporting.outputs import replace_file
from gate.training.plan import Plan

_FORMATS = {"json": (".json", "-"), "html": (".html", "gate-plan.html")}


@dataclass(frozen=True, slots=True)
class PlanOutput:
    """One output that was asked for."""

    format: str
    path: Path | None
    """None: standard output."""


def plan_output(spec: str) -> PlanOutput:
    """Read `FORMAT`, `FORMAT=PATH` or a bare `PATH` whose ending names the format; `FORMAT=-` is standard output.

    Raises:
        UsageError: no such format, or no path behind `=`.
    """
    name, equals, path = spec.partition("=")
    if name in _FORMATS:
        if equals and not path:
            raise UsageError(f"no path behind `{spec}`", remedy=f"write `{name}=PATH`, or `{name}` alone")
        path = path or _FORMATS[name][1]
        return PlanOutput(name, None if path == "-" else Path(path))
    for known, (suffix, _) in _FORMATS.items():
        if spec.lower().endswith(suffix):
            return PlanOutput(known, Path(spec))
    raise UsageError(
        f"`{spec[:100]}` names no output format", remedy=f"write FORMAT or FORMAT=PATH; formats: {', '.join(_FORMATS)}"
    )


def prepare(output: PlanOutput) -> None:
    """Make sure, before anything is counted, that the output can be written where it was asked for.

    Raises:
        UsageError: the path is a folder, or its folder cannot be written to.
    """
    if output.path is None:
        return
    target = Path(os.path.realpath(output.path))
    folder = next((each for each in target.parents if each.exists()), target)
    if target.is_dir() or not folder.is_dir() or not os.access(target if target.exists() else folder, os.W_OK):
        raise UsageError(
            f"the {output.format} output cannot be written there",
            where=os.fspath(output.path),
            remedy=f"name a file in a folder that can be written to: --output {output.format}=PATH",
        )


def write(plan: Plan, output: PlanOutput, console: Console, folders: Folders | None = None) -> None:
    """Render one output, put it in place (whole or not at all), and say where.

    Raises:
        UsageError: it cannot be written.
        GateError: a user's own template cannot be used.
    """
    from gate.reporting.plan_json import to_json
    from gate.reporting.plan_page import to_html

    content = to_json(plan) if output.format == "json" else to_html(plan, folders).encode()
    if output.path is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    replace_file(content, output.path)
    console.print(Text(f"wrote {one_line(os.fspath(output.path), 200)}", style="dim"), soft_wrap=True)
