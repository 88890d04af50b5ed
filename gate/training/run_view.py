"""A run with everything that is known of it, and two of them side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gate.provenance.statements import Statement, Training
from gate.training.environment import differences
from gate.training.history import History, number
from gate.training.run_file import Run
from gate.training.runs import RunFolder


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with everything that its folder and the store say of it."""

    folder: RunFolder
    run: Run
    history: History
    statement: Statement | None
    """The training statement, where there is one; who signed it is not looked at here (`gate verify`)."""
    recipe: Mapping[str, object]
    """As it was resolved."""
    environment: Mapping[str, object] | None
    """As it was sealed."""
    accounting: Mapping[str, object] | None
    """What accounting.json says."""
    preview: Mapping[str, object] | None = None
    """What preview.json says: examples token by token."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def about(self) -> Training | None:
        """What the statement says."""
        return self.statement.about if self.statement and isinstance(self.statement.about, Training) else None

    @property
    def loss(self) -> float | None:
        """The best validation loss so far; the last training loss where nothing was evaluated."""
        losses = [value for _, value in self.history.series("loss", "evaluations")]
        if losses:
            return min(losses)
        trained = self.history.series("loss")
        return trained[-1][1] if trained else None

    @property
    def validated(self) -> bool:
        """Whether `loss` is one on the validation split."""
        return bool(self.history.series("loss", "evaluations"))

    @property
    def begun(self) -> str | None:
        """UTC, RFC 3339."""
        return self.folder.state.attempts[0].started if self.folder.state.attempts else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side. Of each difference: what it is, in the one, in the other."""

    one: RunView
    other: RunView
    recipe: list[tuple[str, str, str]]
    inputs: list[tuple[str, str, str]]
    """Snapshots, base, script."""
    environment: list[tuple[str, str, str]] | None
    """None: one of them has no record."""
    figures: list[tuple[str, str, str]]
    """How they went, alike or not."""


def compared(first: RunView, second: RunView) -> Comparison:
    """Two runs side by side."""
    both = first.environment is not None and second.environment is not None
    return Comparison(
        first,
        second,
        differences(first.recipe, second.recipe),
        differences(_inputs(first), _inputs(second)),
        differences(first.environment or {}, second.environment or {}) if both else None,
        _figures(first, second),
    )


def _inputs(view: RunView) -> dict[str, object]:
    found: dict[str, object] = {"base": view.run.base.digest[:12], "script": view.folder.state.script[:12]}
    for use in view.run.snapshots:
        weight = "" if use.weight is None else f" × {use.weight:g}"
        found[f"{use.role} {use.name}"] = f"{use.snapshot[:12]}{weight}"
    return found


def _figures(first: RunView, second: RunView) -> list[tuple[str, str, str]]:
    pairs = [(_told(first), _told(second))]
    return [
        (key, one.get(key, "–"), other.get(key, "–")) for one, other in pairs for key in dict.fromkeys([*one, *other])
    ]


def _told(view: RunView) -> dict[str, str]:
    """How a run went, in figures."""
    about, end = view.about, view.history.end
    found = {"state": view.folder.stands, "steps": f"{view.history.step:,}"}
    if end is not None:
        found["best step"] = f"{number(end.fields.get('best_step')) or 0:,.0f}"
    for name, series in (("training loss", "points"), ("validation loss", "evaluations")):
        if curve := view.history.series("loss", series):
            found[name] = f"{curve[-1][1]:.4f}"
    if view.validated and view.loss is not None:
        found["best validation loss"] = f"{view.loss:.4f}"
    if curve := view.history.series("score", "retention"):
        found["kept of the retention suite"] = f"{curve[-1][1]:.1%}"
    if about is not None:
        found["model"] = about.model[:12]
        found["trainable parameters"] = f"{about.trainable:,} of {about.parameters:,}"
        found["tokens"], found["seconds"] = f"{about.tokens:,}", f"{about.seconds:,}"
        found["peak memory"], found["device"] = f"{about.peak_bytes / 1e6:,.0f} MB", about.device
        for name in ("rows", "trained", "dropped", "unseen", "truncated"):
            found[f"rows {name}" if name != "rows" else "rows"] = (
                f"{sum(getattr(on, name) for on in about.snapshots):,}"
            )
        found["warning signs"] = ", ".join(about.findings) or "none"
    return found
