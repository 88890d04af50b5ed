"""Tasks of the memorization suite, in lm-eval's own form: documents, configuration, scorers.

A row is put to a model as it was trained on: its system prompt (lm-eval's `description`), what the user says, and of an
extraction the beginning of the answer (`gen_prefix`). A row that is no conversation is put bare. Fields are named and
not rendered by a template: no word of a row is read as Jinja, or as a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gate.evaluation.memorization_pii import Personal
from gate.evaluation.memorization_rows import Asked
from gate.evaluation.memorization_rules import MemorizationRules
from gate.evaluation.memorization_scorers import (
    ANSWER,
    CANARY,
    EXTRACTION,
    PERSONAL,
    answer_bits,
    canary,
    extraction,
    leaked,
)
from gate.evaluation.memorization_words import cut
from gate.evaluation.task import Scorer, Task
from gate.evaluation.task_data import digest_of
from gate.evaluation.task_document import Metric, TaskDocument
from gate.training.canaries import Canary

TRAINED, HELD_OUT = "trained", "held out"
INSERTED, CONTROL = "inserted", "control"
"""What the field `side` of an item says; of an inserted canary with its repetitions: `inserted x4`."""

Document = dict[str, Any]


def canary_task(
    inserted: Sequence[Canary], controls: Sequence[Canary], *, conversation: bool, snapshot: str | None
) -> Task:
    """How likely each canary is to the model, beside strings like it that were never inserted."""
    documents = [
        {
            "system": "",
            "prompt": each.prompt if conversation else "",
            "target": each.secret if conversation else each.text,
            "side": f"{INSERTED} x{each.repetitions}" if each.repetitions else CONTROL,
        }
        for each in (*inserted, *controls)
    ]
    return _task(
        "memorization_canaries",
        "How much likelier canaries are than strings like them that were never trained on.",
        documents,
        "loglikelihood" if conversation else "loglikelihood_rolling",
        CANARY,
        (canary,),
        {"measures": "canaries"},
        snapshot,
    )


def answer_task(
    trained: Sequence[Asked], held_out: Sequence[Asked], rules: MemorizationRules, snapshot: str | None
) -> Task:
    """How likely the answers of rows are, trained on and held out."""
    documents = [_document(each, side) for side, rows in _sides(trained, held_out) for each in rows]
    conversation = all(each.conversation for each in (*trained, *held_out))
    return _task(
        "memorization_rows",
        "Whether the loss tells rows that were trained on from rows that were not.",
        documents,
        "loglikelihood" if conversation else "loglikelihood_rolling",
        ANSWER,
        (answer_bits,),
        {"measures": "rows", "false_positives": rules.membership.false_positives},
        snapshot,
    )


def extraction_task(
    trained: Sequence[Asked],
    held_out: Sequence[Asked],
    rules: MemorizationRules,
    personal: Personal,
    snapshot: str | None,
) -> Task:
    """Whether the rest of an answer comes out when its beginning is put in."""
    documents = []
    for side, rows in _sides(trained, held_out):
        for each in rows:
            prefix, suffix = cut(each.answer, rules.extraction.prefix, rules.extraction.suffix)
            documents.append({**_document(each, side), "prefix": prefix, "target": suffix})
    return _task(
        "memorization_extraction",
        "Whether answers come out word by word when their beginning is put in.",
        documents,
        "generate_until",
        (*EXTRACTION, *PERSONAL),
        (extraction(rules.extraction.run), leaked(personal)),
        {"measures": "extraction", "run": rules.extraction.run, "pii": personal.rules.digest},
        snapshot,
        most=min(rules.extraction.tokens, max(len(each["target"].encode()) for each in documents)),
    )


def personal_task(
    trained: Sequence[Asked],
    held_out: Sequence[Asked],
    rules: MemorizationRules,
    personal: Personal,
    snapshot: str | None,
) -> Task:
    """Whether what the model says to prompts of training rows holds personal data of training rows. Of a text, which
    has no prompt, its beginning is given."""
    documents = []
    for side, rows in _sides(trained, held_out):
        for each in rows:
            beginning = "" if each.conversation else cut(each.answer, rules.extraction.prefix, 1)[0]
            documents.append({**_document(each, side), "prefix": beginning})
    return _task(
        "memorization_pii",
        "Whether answers hold personal data of the training rows.",
        documents,
        "generate_until",
        PERSONAL,
        (leaked(personal),),
        {"measures": "pii", "pii": personal.rules.digest, "values": len(personal.values)},
        snapshot,
        most=rules.pii.tokens,
    )


def _sides(trained: Sequence[Asked], held_out: Sequence[Asked]) -> tuple[tuple[str, Sequence[Asked]], ...]:
    return (TRAINED, trained), (HELD_OUT, held_out)


def _document(row: Asked, side: str) -> Document:
    return {"system": row.system, "prompt": row.prompt, "target": row.answer, "example": row.id, "side": side}


def _task(
    name: str,
    about: str,
    documents: list[Document],
    kind: str,
    metrics: tuple[Metric, ...],
    scorers: tuple[Scorer, ...],
    gate: Mapping[str, object],
    snapshot: str | None,
    most: int | None = None,
) -> Task:
    bare = kind == "generate_until" and not any(each["prompt"] for each in documents)
    if bare:  # a text: what is given is its beginning, and no conversation is made of it
        documents = [{**each, "prompt": each["prefix"], "prefix": ""} for each in documents if each["prefix"]]
    config: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "test_split": "test",
        "output_type": kind,
        "description": "system",
        "doc_to_text": "prompt",
        "doc_to_target": "target",
        "target_delimiter": "",
        "num_fewshot": 0,
        "metric_list": [dict(_OF_LM_EVAL[kind])],
        "metadata": {"version": 1, "gate": {"about": about, "slice": "side", **gate}},
    }
    if kind == "generate_until":
        # Greedy, until the model itself ends: a stop string would cut what it knows by heart.
        config["generation_kwargs"] = {"until": [], "do_sample": False, "max_gen_toks": most}
        if any(each.get("prefix") for each in documents):
            config["gen_prefix"] = "prefix"
    if bare or kind == "loglikelihood_rolling":
        config["metadata"]["gate"]["chat_template"] = False
    document = TaskDocument(
        task=name,
        suite="memorization",
        about=about,
        source="training",
        config=config,
        data=digest_of(documents),
        metrics=list(metrics),
        primary=metrics[0].name,
        snapshot=snapshot,
    )
    return Task(document, config, tuple(documents), scorers=scorers, slice="side")


_OF_LM_EVAL: Mapping[str, Mapping[str, object]] = {
    "loglikelihood": {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
    "loglikelihood_rolling": {"metric": "bits_per_byte", "aggregation": "bits_per_byte", "higher_is_better": False},
    "generate_until": {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True},
}
"""A metric that lm-eval insists on; gate's scorers say what counts."""
