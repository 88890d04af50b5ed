"""The report of a dataset as one self-contained HTML file: no network, no script needed for reading.

The page's content security policy allows nothing but its own style and its own script, each by its digest, so that
even text which slipped through the escaping could neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence

from gate.admission.result import AdmissionResult
from gate.errors import GateError
from gate.folders import Folders
from gate.provenance.moments import minute_of
from gate.reporting.charts import Chart, charts
from gate.reporting.inert import one_line
from gate.reporting.json_report import profile_of
from gate.reporting.kinds import kinds_of
from gate.reporting.page import Limits, page
from gate.reporting.sealing import Sealing, SealingPage, SplitLine, sealing_page

LARGEST = 2_000_000
"""Bytes of a report; where a sample is larger, a smaller one is taken."""


def to_html(result: AdmissionResult, folders: Folders | None = None, sealing: Sealing | None = None) -> str:
    """Render `reports/templates/admission.html.j2`.

    Args:
        folders: where templates, styles, scripts and chart specs are looked for: the user's own, then gate's.
        sealing: what the report of `gate admit` says beyond that of a check.

    Raises:
        GateError: a user's own template or chart spec cannot be used.
    """
    folders = folders or Folders()
    sealed = None if sealing is None else sealing_page(sealing, result.findings)
    drawn = charts(profile_of(result), folders)
    limits = Limits()
    while True:
        html = _render(result, folders, drawn, limits, sealed)
        size = len(html.encode())
        smaller = limits.scaled(min(0.9, 0.9 * LARGEST / size))
        if size <= LARGEST or smaller == limits:
            return html
        limits = smaller


def _render(
    result: AdmissionResult, folders: Folders, drawn: Sequence[Chart], limits: Limits, sealed: SealingPage | None
) -> str:
    from markupsafe import Markup

    return rendered(
        "admission.html.j2",
        folders,
        page=page(result, drawn, limits, folders),
        result=result,
        sealed=sealed,
        svg=Markup,  # safe: drawings of our own, no text of a dataset
        kinds_of=kinds_of,
    )


def rendered(name: str, folders: Folders, *, behaviour: str = "report.js", **values: object) -> str:
    """A page of `reports/templates`, with gate's style and script in it and a policy that allows nothing else.

    Args:
        behaviour: the script, of `reports/scripts`.
        values: what the template lays out; text in it is escaped.

    Raises:
        GateError: a user's own template cannot be used.
    """
    import jinja2
    from markupsafe import Markup

    style, script = _asset(folders, "reports/styles/report.css"), _asset(folders, f"reports/scripts/{behaviour}")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([root / "reports/templates" for root in folders.roots]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, share=_share, bytes=_bytes, line=one_line, score=_score, figure=_figure)
    environment.filters.update(moment=minute_of, sum_of=_sum_of)
    try:
        # Safe: files of the repository, no text of a dataset.
        return environment.get_template(name).render(
            policy=policy, style=Markup(style), script=Markup(script), **values
        )
    except jinja2.TemplateError as error:
        where = getattr(error, "filename", None) or getattr(error, "name", None) or name
        raise GateError(
            f"the report template cannot be used: {error.message}",
            where=f"{where}:{getattr(error, 'lineno', '?')}",
            remedy="mend it, or remove your copy of reports/templates so that gate's own is used",
        ) from error


def _asset(folders: Folders, relative: str) -> str:
    path = folders.find(relative)
    if path is None:
        raise GateError("a part of the report is missing", where=relative, remedy="install llm-gate again")
    return path.read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _number(value: float) -> str:
    return f"{value:,}"


def _share(part: int, whole: int) -> str:
    """A share as a percentage with two significant digits; nothing where there is nothing to divide."""
    if whole == 0 or part == 0:
        return ""
    percent = 100 * part / whole
    return "< 0.01 %" if percent < 0.01 else f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def _sum_of(lines: Sequence[SplitLine], number: int) -> int:
    """One column of a table of splits, added up."""
    return sum(line.counts[number] for line in lines)


def _bytes(size: int) -> str:
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" or value >= 100 else f"{value:.1f} {units[0]}"


def _figure(value: float) -> str:
    """A count as it is, a mean with one decimal place."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.1f}"


def _score(value: float) -> str:
    """Three digits, rounded down: 0.9996 is not 1, and what misses a threshold never seems to reach it."""
    return f"{math.floor(value * 1000) / 1000:.3f}".rstrip("0").rstrip(".") if math.isfinite(value) else "–"
