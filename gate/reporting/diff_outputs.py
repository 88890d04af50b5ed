"""What `gate diff` found as a file: JSON for programs, Markdown for a comment, HTML for a browser."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import orjson

from gate.admission.difference import DiffResult
from gate.errors import GateError, UsageError
from gate.reporting.diff_rows import counts, number, shown_rows
from gate.reporting.inert import one_line
from gate.reporting.word_diff import Run

SCHEMA = "gate.diff/1"
FORMATS = {"json": ".json", "markdown": ".md", "html": ".html"}
_FENCE = re.compile(r"`{3,}")


def parse_output(spec: str) -> tuple[str, Path | None]:
    """Read `FORMAT`, `FORMAT=PATH` or a bare `PATH` whose ending names the format; `-` and none are standard output.

    Raises:
        UsageError: no such format, or no path behind `=`.
    """
    name, equals, path = spec.partition("=")
    if name in FORMATS:
        if equals and not path:
            raise UsageError(f"no path behind `{spec}`", remedy=f"write `{name}=PATH`, or `{name}` alone")
        return name, None if path in ("", "-") else Path(path)
    for known, suffix in FORMATS.items():
        if spec.lower().endswith(suffix):
            return known, Path(spec)
    raise UsageError(f"`{spec}` names no output format", remedy=f"write FORMAT or FORMAT=PATH: {', '.join(FORMATS)}")


def write(result: DiffResult, name: str, path: Path | None) -> None:
    """Render one output and put it in place, whole or not at all.

    Raises:
        GateError: the file cannot be written, or a user's own template cannot be used.
    """
    content = {"json": to_json, "markdown": to_markdown, "html": to_html}[name](result)
    if path is None:
        sys.stdout.write(content)
        sys.stdout.flush()
        return
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise GateError(
            f"the {name} output could not be written: {(error.strerror or str(error)).lower()}",
            where=str(path),
            remedy="name a file in a folder that can be written to",
        ) from None
    finally:
        if temporary.exists():
            temporary.unlink()


def to_json(result: DiffResult) -> str:
    """Counts, every row that differs by its places, and every figure; no text of the data."""
    found = result.differences
    document = {
        "schema": SCHEMA,
        "version": result.version,
        "a": result.a,
        "b": result.b,
        "differ": result.differ,
        "rows": {"same": found.same, "refiled": found.refiled}
        | {change: found.count(change) for change in ("changed", "moved", "meta", "added", "removed")}
        | {"malformed_added": result.malformed_added, "malformed_removed": result.malformed_removed},
        "figures": [{"name": one.name, "a": one.a, "b": one.b} for one in result.figures],
        "changes": found.rows.to_dicts(),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def to_markdown(result: DiffResult) -> str:
    """A comment's worth: counts, figures that changed, and rows in a fence, in which nothing is markup."""
    word = "different" if result.differ else "the same"
    lines = [f"### gate diff: {word}", "", f"`{_code(result.a)}` → `{_code(result.b)}`", ""]
    lines += ["| rows | |", "| --- | ---: |", *(f"| {name} | {count:,} |" for name, count in counts(result)), ""]
    changed = [figure for figure in result.figures if figure.changed]
    if changed:
        lines += ["| figure | A | B |", "| --- | ---: | ---: |"]
        lines += [f"| `{_code(one.name)}` | {number(one.a)} | {number(one.b)} |" for one in changed]
        lines.append("")
    for row in shown_rows(result):
        lines += [f"**{row.change}** `{_code(row.place)}`", "", "```diff"]
        lines += [f"{mark} {_plain(runs)}" for mark, runs in (("-", row.left), ("+", row.right)) if runs]
        lines += ["```", ""]
    return "\n".join(lines)


def _code(text: str) -> str:
    return one_line(text.replace("`", "'").replace("|", "¦"), 200)


def _plain(runs: tuple[Run, ...]) -> str:
    text = "".join(f"[{run.text}]" if run.kind == "left_out" else run.text for run in runs)
    return _FENCE.sub("''", one_line(text, 1000))


def to_html(result: DiffResult) -> str:
    """One self-contained, inert page from `reports/templates/diff.html.j2`, in the style of the other reports.

    Raises:
        GateError: a user's own template cannot be used.
    """
    import jinja2
    from markupsafe import Markup

    from gate.reporting.html import _asset, _digest

    style = _asset(result.folders, "reports/styles/report.css")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([root / "reports/templates" for root in result.folders.roots]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    policy = f"default-src 'none'; style-src '{_digest(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
    environment.filters.update(number=number, line=one_line)
    try:
        return environment.get_template("diff.html.j2").render(
            result=result,
            counts=counts(result),
            figures=[figure for figure in result.figures if figure.changed],
            rows=shown_rows(result),
            policy=policy,
            style=Markup(style),
        )
    except jinja2.TemplateError as error:
        raise GateError(
            f"the report template cannot be used: {error.message}",
            where=str(getattr(error, "name", None) or "diff.html.j2"),
            remedy="mend it, or remove your copy of reports/templates so that gate's own is used",
        ) from error
