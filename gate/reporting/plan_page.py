"""A plan as one self-contained HTML page, to send to whoever pays for it."""

from __future__ import annotations

from gate.folders import Folders
from gate.reporting import plan_words as words
from gate.reporting.html import rendered
from gate.training.plan import Plan


def to_html(plan: Plan, folders: Folders | None = None) -> str:
    """Render `reports/templates/plan.html.j2`.

    Raises:
        GateError: a user's own template cannot be used.
    """
    return rendered("plan.html.j2", folders or Folders(), plan=plan, words=words)
