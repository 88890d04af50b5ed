"""What the tests of evaluation are made of: a small suite of additions, capitals and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from examples import tiny_base as maker
from gate.evaluation.task import Scorer, Suite, Task
from gate.evaluation.task_data import SHOTS, SPLIT, digest_of
from gate.evaluation.task_document import Metric, SuiteName, TaskDocument

EXACT = Metric(name="exact_match", binary=True, scorer="lm_eval")
ACC = Metric(name="acc", binary=True, scorer="lm_eval")
BITS = Metric(name="bits_per_byte", binary=False, higher_is_better=False, scorer="lm_eval")

GENERATE: dict[str, Any] = {
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 8, "do_sample": False},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
CHOOSE: dict[str, Any] = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "{{answer}}",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
ROLL: dict[str, Any] = {
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": "{{text}}",
    "metric_list": [{"metric": "bits_per_byte", "aggregation": "bits_per_byte", "higher_is_better": False}],
}


def task_of(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    *metrics: Metric,
    suite: SuiteName = "forgetting",
    scorers: tuple[Scorer, ...] = (),
    shots: Sequence[Mapping[str, Any]] = (),
    chance: float | None = None,
) -> Task:
    """A task of rows."""
    whole: dict[str, Any] = {"task": name, "dataset_path": "json", "test_split": SPLIT} | dict(config)
    if shots:
        whole["fewshot_split"] = SHOTS
    document = TaskDocument(
        task=name, suite=suite, about=f"Questions of {name}.", source="suite", config=whole, data=digest_of(rows),
        shots_data=digest_of(shots) if shots else None, metrics=list(metrics), primary=metrics[0].name, chance=chance,
    )  # fmt: skip
    return Task(
        document, whole, tuple(rows), scorers=scorers, cluster="cluster", slice="kind", shot_documents=tuple(shots)
    )


def additions(count: int = 60) -> list[dict[str, Any]]:
    """Sums that the tiny base knows by heart, and every fourth that it does not."""
    known = [(a, b) for a in range(0, 20, 2) for b in range(0, 20, 3)]
    rows = []
    for number in range(count):
        a, b = known[number % len(known)] if number % 4 else (number + 21, number + 33)
        rows.append(
            {
                "question": f"What is {a} plus {b}?",
                "answer": str(a + b),
                "kind": "known" if number % 4 else "new",
                "cluster": f"a{a}",
            }
        )
    return rows


def capitals() -> list[dict[str, Any]]:
    """Which of four cities is a country's capital."""
    cities = list(maker.CAPITALS.values())
    rows = []
    for number, (country, city) in enumerate([*maker.CAPITALS.items()] * 2):
        others = [each for each in cities if each != city][number % 5 :: 5][:3]
        answer = number % 4
        rows.append(
            {
                "question": f"What is the capital of {country}?" if number < 16 else f"Name the capital of {country}.",
                "choices": [*others[:answer], city, *others[answer:]],
                "answer": answer,
                "kind": "capital",
                "cluster": country,
            }
        )
    return rows


def texts() -> list[dict[str, Any]]:
    """Sentences whose likelihood is measured."""
    return [{"text": f"The opposite of {word} is {other}."} for word, other in maker.OPPOSITES.items()] + [
        {"text": f"Čeština, 日本語 und Ünïcödé, Nummer {number}."} for number in range(12)
    ]


def small_suite(name: SuiteName = "forgetting") -> Suite:
    """120 items in three tasks: 60 to generate, 32 to choose, 28 texts."""
    shots = [
        {"question": f"What is {a} plus {a}?", "answer": str(a + a), "kind": "", "cluster": ""} for a in (1, 3, 5, 7, 9)
    ]
    return Suite(
        name,
        "Additions, capitals and texts.",
        (
            task_of("additions", additions(), GENERATE, EXACT, suite=name, shots=shots),
            task_of("capitals", capitals(), CHOOSE, ACC, suite=name, chance=0.25),
            task_of("texts", texts(), ROLL, BITS, suite=name),
        ),
    )
