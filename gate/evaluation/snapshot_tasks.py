"""Tasks made of a snapshot's test split: what a candidate was trained to do, on rows that it never saw.

| kind | task | asks |
| --- | --- | --- |
| chat | snapshot-generate, -json, -calls | for the answer itself |
| chat | snapshot-likelihood | how many bits the right answer's bytes take |
| preference | snapshot-preference | whether the chosen answer is likelier than the rejected one |
| feedback | snapshot-feedback-likelihood, snapshot-feedback | the same of good answers, and of good against bad |
| text | snapshot-text | bits per byte of the whole text |
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gate.errors import UsageError
from gate.evaluation.bits import NAME as BITS
from gate.evaluation.conversations import conversation
from gate.evaluation.scorers import scorers
from gate.evaluation.snapshot_items import Document, Form, LeftOut, Made, drawn_ids, made_of, told_apart, with_meta
from gate.evaluation.snapshot_rules import JsonForm, SnapshotTaskRules
from gate.evaluation.task import Suite, Task, merged
from gate.evaluation.task_data import SHOTS, SPLIT, digest_of
from gate.evaluation.task_document import Metric, TaskDocument
from gate.evaluation.task_form import PER_ITEM
from gate.snapshots.open import Snapshot

ASKED = "!function gate.evaluation.conversations.conversation@1"
"""How a document names the function that makes the prompt, with its version."""
_CANDIDATES = 8
"""Rows of the train split that are looked at for each few-shot example: some have no answer to show."""
_KINDS: Mapping[Form, str] = {
    "generate": "chat", "json": "chat", "calls": "chat", "preference": "preference", "good": "feedback",
    "bad": "feedback", "text": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Of:
    """What all tasks of a snapshot share."""

    snapshot: Snapshot
    rules: SnapshotTaskRules
    suffix: str
    left_out: LeftOut
    drawn: dict[str, list[Made]] = field(default_factory=dict)
    """Of each kind, items of the train split in the order in which they are shown; read once."""

    def name(self, task: str) -> str:
        return f"snapshot-{task}{self.suffix}"


def snapshot_suite(snapshot: Snapshot, *, rules: SnapshotTaskRules, suffix: str = "") -> Suite:
    """Tasks of a snapshot's test split, by the kinds of its examples.

    Args:
        rules: `snapshot_task_rules(folders)`.
        suffix: of the tasks' names, where several snapshots are asked about.

    Raises:
        UsageError: it has no test split, or nothing in it can be asked.
        Damaged: an object of the snapshot is not what it was.
    """
    made, left_out = made_of(snapshot, "test")
    name = snapshot.admission.name
    if not made:
        reasons = ", ".join(f"{count:,} with {reason}" for (_, reason), count in left_out.items())
        what = f"nothing in its test split can be asked ({reasons})" if left_out else "it has no test split"
        raise UsageError(
            what, where=f"{name} {snapshot.id[:12]}", remedy="what is not measured cannot pass: give it one"
        )  # fmt: skip
    of = _Of(snapshot, rules, suffix, left_out)
    tasks = [*_chat(of, made), *_preference(of, made), *_feedback(of, made), *_text(of, made)]
    return Suite("regression", f"The test split of {name}.", tuple(tasks))


def snapshot_suites(snapshots: Sequence[Snapshot], *, rules: SnapshotTaskRules) -> Suite:
    """The same of several snapshots, whose tasks carry the dataset's name then.

    Raises:
        as `snapshot_suite`.
    """
    several = len({snapshot.id for snapshot in snapshots}) > 1
    made = []
    for snapshot in {each.id: each for each in snapshots}.values():
        suffix = f"-{snapshot.admission.name}-{snapshot.id[:8]}" if several else ""
        made.append(snapshot_suite(snapshot, rules=rules, suffix=suffix))
    return merged("regression", made)


def _those(made: Iterable[Made], *forms: Form) -> list[Made]:
    return [each for each in made if each.form in forms]


def _chat(of: _Of, made: Sequence[Made]) -> Iterable[Task]:
    chat = _those(made, "generate", "json", "calls")
    rules: Mapping[Form, JsonForm] = {"json": of.rules.json_, "calls": of.rules.calls}
    parts: Mapping[Form, list[Made]] = {form: _those(chat, form) for form in rules}
    apart: list[Form] = [
        form for form, part in parts.items() if part and (len(part) >= rules[form].at_least or len(part) == len(chat))
    ]
    # Too few for a task of their own: JSON is text like any other then; a call of a tool is none.
    if parts["calls"] and "calls" not in apart:
        of = replace(of, left_out={**of.left_out, ("chat", "a call of a tool"): len(parts["calls"])})
    plain = [each for each in chat if each.form not in ("calls", *apart)]
    tokens = of.rules.generate.tokens
    for form, part, named, primary in (
        ("generate", plain, of.rules.generate.scorers, _primary(of, plain)),
        *((form, parts[form], rules[form].scorers, rules[form].primary) for form in apart),
    ):
        if not part:
            continue
        longest = max(len(each.document["target"]) for each in part)
        room = min(tokens.at_most, max(tokens.at_least, round(longest * tokens.per_character)))
        functions, metrics = scorers(named)
        what = {"generate": "Answers", "json": "Answers that are JSON", "calls": "Calls of tools"}[form]
        yield _task(
            of, form, part, f"{what}, generated", metrics, primary, scorers=functions, shots=_shots(of, form),
            config={
                "output_type": "generate_until",
                "generation_kwargs": {"until": list(of.rules.generate.until), "max_gen_toks": room, "do_sample": False},
                "metric_list": [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}],
            },
        )  # fmt: skip
    if said := _those(made, "generate", "json"):
        yield _likelihood(of, "likelihood", said, _shots(of, "generate"), "The right answers, by their likelihood")


def _primary(of: _Of, made: Sequence[Made]) -> str:
    rules = of.rules.generate
    words = statistics.median(len(each.document["target"].split()) for each in made) if made else 0
    return rules.short.primary if words <= rules.short.words else rules.long.primary


def _likelihood(of: _Of, name: str, made: Sequence[Made], shots: list[Document], about: str) -> Task:
    functions, metrics = scorers([BITS])
    return _task(
        of, name, made, about, (*metrics, PER_ITEM["acc"]), of.rules.likelihood.primary, scorers=functions, shots=shots,
        config={"output_type": "loglikelihood", "metric_list": [{"metric": "acc", **_MEAN}]},
    )  # fmt: skip


_MEAN = {"aggregation": "mean", "higher_is_better": True}


def _choice(
    of: _Of, name: str, made: Sequence[Made], about: str, primary: str, shots: list[Document] | None = None
) -> Task:
    return _task(
        of, name, made, about, (PER_ITEM["acc"], PER_ITEM["acc_norm"]), primary, chance=0.5, shots=shots or [],
        config={
            "output_type": "multiple_choice",
            "doc_to_choice": "choices",
            "doc_to_target": "gold",
            "metric_list": [{"metric": "acc", **_MEAN}, {"metric": "acc_norm", **_MEAN}],
        },
    )  # fmt: skip


def _preference(of: _Of, made: Sequence[Made]) -> Iterable[Task]:
    if pairs := _those(made, "preference"):
        yield _choice(
            of,
            "preference",
            pairs,
            "Chosen against rejected answers",
            of.rules.preference.primary,
            _shots(of, "preference"),
        )


def _feedback(of: _Of, made: Sequence[Made]) -> Iterable[Task]:
    marked = _those(made, "good", "bad")
    if good := _those(marked, "good"):
        about = "Answers that were marked good, by their likelihood"
        yield _likelihood(of, "feedback-likelihood", good, _shots(of, "good"), about)
    pairs = told_apart(marked)
    if len(pairs) >= of.rules.feedback.at_least:
        yield _choice(of, "feedback", pairs, "Answers marked good against bad ones", of.rules.feedback.primary)


def _text(of: _Of, made: Sequence[Made]) -> Iterable[Task]:
    if texts := _those(made, "text"):
        functions, metrics = scorers([BITS])
        yield _task(
            of, "text", texts, "Whole texts, by their likelihood", metrics, of.rules.text.primary, scorers=functions,
            shots=[],
            config={
                "output_type": "loglikelihood_rolling",
                "doc_to_text": "",
                "doc_to_target": "text",
                "metric_list": [{"metric": "bits_per_byte", "aggregation": "bits_per_byte", "higher_is_better": False}],
            },
        )  # fmt: skip


def _task(
    of: _Of,
    name: str,
    made: Sequence[Made],
    about: str,
    metrics: Sequence[Metric],
    primary: str,
    *,
    config: Mapping[str, Any],  # lm-eval's own keys
    shots: list[Document],
    chance: float | None = None,
    scorers: tuple[Any, ...] = (),  # gate.evaluation.task.Scorer
) -> Task:
    documents, cluster, group = with_meta(made, of.rules)
    whole = {
        "task": of.name(name),
        "dataset_path": "json",
        "test_split": SPLIT,
        "doc_to_text": ASKED,
        "doc_to_target": "target",
        "target_delimiter": "",
        **({"fewshot_split": SHOTS, "fewshot_config": {"sampler": "first_n"}} if shots else {}),
        **config,
    }
    kind_of = _KINDS[made[0].form]
    reasons = ", ".join(f"{count:,} with {reason}" for (kind, reason), count in of.left_out.items() if kind == kind_of)
    said = f"{about}; test split of {of.snapshot.admission.name}" + (f" without {reasons}" if reasons else "") + "."
    document = TaskDocument(
        task=whole["task"],
        suite="regression",
        about=said,
        source="snapshot",
        config=whole,
        data=digest_of(documents),
        shots_data=digest_of(shots) if shots else None,
        metrics=list(metrics),
        primary=primary,
        chance=chance,
        snapshot=of.snapshot.id,
    )
    run = whole | ({"doc_to_text": conversation} if whole["doc_to_text"] == ASKED else {})
    return Task(document, run, tuple(documents), tuple(shots), scorers, cluster, group)


def _shots(of: _Of, form: Form) -> list[Document]:
    """Examples of the train split that are like the items of a task, in the order in which they are shown."""
    some, kind = of.rules.shots.examples, _KINDS[form]
    if kind not in of.drawn:
        ids = list(drawn_ids(of.snapshot, of.rules.shots.seed, kind, some * _CANDIDATES)) if some else []
        made = made_of(of.snapshot, "train", ids)[0] if ids else []
        by_id = {each.document["example"]: each for each in made}
        of.drawn[kind] = [by_id[each] for each in ids if each in by_id]
    found = _those(of.drawn[kind], form)[:some]
    return with_meta(found, of.rules)[0] if found else []
