"""A training run as one self-contained HTML page: how it ended, what was seen on the way, what became of every row,
the curves, what the model answered meanwhile, and ten examples token by token with what was learned of them.

What a model or a dataset says is untrusted: the page is rendered with escaping, and its policy runs no script but
gate's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from gate.folders import Folders
from gate.provenance.statements import Training
from gate.reporting.charts import Chart, draw
from gate.reporting.html import rendered
from gate.reporting.inert import inert
from gate.training.events import Value
from gate.training.history import History, number, whole
from gate.training.run_file import Run
from gate.training.runs import RunState, State

# Plain JSON of the run's folder; what is not as expected is left out where it is read.
Json = Mapping[str, object]

EDGES: Mapping[State, str] = {
    "prepared": "skipped",
    "running": "inconclusive",
    "finished": "pass",
    "failed": "fail",
    "interrupted": "inconclusive",
}
MOST_POINTS = 300
"""Points drawn of a curve: more than a screen has columns for."""
MOST_ROWS = 12
"""Points of a curve that the table beside it shows."""
MOST_STEPS = 4
"""Evaluations whose answers stand side by side: the first, the last, and some between."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a run's folder and statement tell."""

    run: Run
    state: RunState
    stands: State
    """How it stands now (`running` only while its process lives)."""
    history: History
    accounting: Json | None
    """accounting.json."""
    preview: Json | None
    """preview.json."""
    recipe: Json
    """The recipe as it was resolved."""
    training: Training | None
    """What was signed, once it was."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Neighbouring tokens that are shown alike."""

    texts: tuple[str, ...]
    look: str
    """`learned`, `read` or `special`."""


@dataclass(frozen=True, slots=True)
class Sequence_:
    """A text of an example: all of it, or a preference's one answer."""

    name: str
    learned: int
    """Tokens of it."""
    total: int
    left_out: int
    """Tokens that are not shown."""
    tokens: tuple[Tokens, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """An example as the model gets it."""

    id: str
    kind: str
    cut_tokens: int
    sequences: tuple[Sequence_, ...]


@dataclass(frozen=True, slots=True)
class Book:
    """What became of a snapshot's train split: rows = trained + dropped + unseen."""

    name: str
    snapshot: str
    role: str
    rows: int
    trained: int
    dropped: int
    unseen: int
    truncated: int
    lost_end: int
    repeats: int
    tokens: int


BOOKED = ("rows", "trained", "dropped", "unseen", "truncated", "lost_end", "repeats", "tokens")
"""The counts of a `Book`, as accounting.json names them."""


def to_run_html(told: Told, folders: Folders | None = None) -> str:
    """Render `reports/templates/run.html.j2`.

    Raises:
        GateError: a user's own template or chart spec cannot be used.
    """
    from markupsafe import Markup

    folders = folders or Folders()
    steps, prompts = answers(told.history)
    return rendered(
        "run.html.j2",
        folders,
        told=told,
        edge=EDGES[told.stands],
        charts=curves(told.history, folders),
        steps=steps,
        prompts=prompts,
        examples=list(examples(told.preview)),
        template=_mapping(None if told.preview is None else told.preview.get("template")),
        books=books(told.accounting),
        closed=told.accounting is not None and told.accounting.get("closed") is True,
        longest=_count(told.accounting or {}, "max_length"),
        canaries=_counts(told.accounting, "canaries", ("inserted", "draws")),
        validation=_counts(told.accounting, "validation", ("rows", "dropped", "truncated")),
        best=min((value for _, value in told.history.series("loss", "evaluations")), default=None),
        signs=[_SIGN | each.fields for each in told.history.findings],
        retention=[_SCORE | each.fields for each in told.history.retention],
        duration=duration,
        inert=inert,
        svg=Markup,  # safe: drawings of our own, no text of a dataset or a model
    )


# What an event says where it leaves it out.
_SIGN: dict[str, Value] = {"code": "", "step": 0, "message": "", "remedy": "", "severity": "warning"}
_SCORE: dict[str, Value] = {"step": 0, "score": None, "base": None, "margin": None, "items": None}


def curves(history: History, folders: Folders) -> list[Chart]:
    """The curves that the run told of: losses, learning rate, gradient norm, what is retained, speed, use of the
    device."""
    groups: list[tuple[str, str, Sequence[tuple[str, list[tuple[int, float]]]]]] = [
        (
            "loss",
            "Loss",
            [("training", history.series("loss")), ("validation", history.series("loss", "evaluations"))],
        ),
        ("retention", "Score of what must not be forgotten", [("score", history.series("score", "retention"))]),
        ("rate", "Learning rate", [("rate", history.series("lr"))]),
        ("gradient", "Norm of the gradient", [("norm", history.series("grad_norm"))]),
        ("speed", "Tokens per second", [("tokens", history.series("tokens_per_second"))]),
        ("device", "Share of the device in use", [("share", history.series("device"))]),
    ]
    return [_curve(folders, name, title, [(label, points) for label, points in series if points])
            for name, title, series in groups if any(points for _, points in series)]  # fmt: skip


def _curve(folders: Folders, name: str, title: str, series: Sequence[tuple[str, list[tuple[int, float]]]]) -> Chart:
    thinned = [(label, thin(points, MOST_POINTS)) for label, points in series]
    rows: list[dict[str, str | float]] = [
        {"series": label, "step": step, "value": value, "few": len(points) <= 30}
        for label, points in thinned
        for step, value in points
    ]
    note = None
    if any(len(points) > MOST_POINTS for _, points in series):
        note = f"{MOST_POINTS} of {max(len(points) for _, points in series):,} points"
    header = ("step", *(label for label, _ in series))
    steps = sorted({step for _, points in series for step, _ in thin(points, MOST_ROWS)})
    known = [dict(points) for _, points in series]
    table: tuple[tuple[str | int, ...], ...] = tuple(
        (step, *(_figure(each.get(step)) for each in known)) for step in steps
    )
    return Chart(name, title, draw(folders, "curves" if len(series) > 1 else "curve", title, rows), note, header, table)


def thin(points: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """At most so many of the points, evenly spread, the first and the last among them."""
    if len(points) <= most:
        return points
    last = len(points) - 1
    return [points[round(at * last / (most - 1))] for at in range(most)]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def answers(history: History) -> tuple[list[int], list[tuple[str, list[str]]]]:
    """What the model answered to the fixed prompts: the steps shown, and for each prompt its answers at them."""
    by_step: dict[int, dict[str, str]] = {}
    for event in history.samples:
        listed = event.fields.get("answers")
        pairs = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        step = whole(event.fields.get("step")) or 0
        by_step[step] = {str(each.get("prompt", "")): str(each.get("answer", "")) for each in pairs}
    every = sorted(by_step)
    steps = [step for step, _ in thin([(step, 0.0) for step in every], MOST_STEPS)]
    prompts = list(dict.fromkeys(prompt for step in steps for prompt in by_step[step]))
    return steps, [(prompt, [by_step[step].get(prompt, "") for step in steps]) for prompt in prompts]


def examples(preview: Json | None) -> Iterator[Example]:
    """The examples of preview.json, tokens that look alike put together."""
    for each in map(_mapping, _list(preview, "examples")):
        sequences = []
        for sequence in map(_mapping, _list(each, "sequences")):
            tokens = [_mapping(token) for token in _list(sequence, "tokens")]
            looks = ((_look(token), str(token.get("text", ""))) for token in tokens)
            runs = groupby(looks, key=lambda pair: pair[0])
            alike = tuple(Tokens(tuple(text for _, text in run), look) for look, run in runs)
            left_out = _count(sequence, "left_out")
            name, learned = str(sequence.get("name", "")), _count(sequence, "learned")
            sequences.append(Sequence_(name, learned, len(tokens) + left_out, left_out, alike))
        yield Example(str(each.get("id", "")), str(each.get("kind", "")), _count(each, "cut_tokens"), tuple(sequences))


def books(accounting: Json | None) -> list[Book]:
    """The lines of accounting.json."""
    return [
        Book(
            str(each.get("name", "")),
            str(each.get("snapshot", "")),
            str(each.get("role", "")),
            *(_count(each, name) for name in BOOKED),
        )
        for each in map(_mapping, _list(accounting, "snapshots"))
    ]


def _count(of: Json, name: str) -> int:
    value = of.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _look(token: Json) -> str:
    return "learned" if token.get("learned") is True else "special" if token.get("special") is True else "read"


def _counts(of: Json | None, name: str, counts: Sequence[str]) -> dict[str, int]:
    inside = _mapping((of or {}).get(name))
    return {each: _count(inside, each) for each in counts}


def _mapping(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _list(of: Json | None, name: str) -> list[object]:
    value = None if of is None else of.get(name)
    return value if isinstance(value, list) else []


def duration(seconds: object) -> str:
    """Seconds as a person says them: `48 s`, `3 min 12 s`, `2 h 5 min`."""
    figure = number(seconds)  # type: ignore[arg-type]  # it looks at what it is
    if figure is None:
        return "–"
    whole_ = round(figure)
    if whole_ < 60:
        return f"{figure:.0f} s"
    minutes, rest = divmod(whole_, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
