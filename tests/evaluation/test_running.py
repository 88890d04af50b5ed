"""Tasks as they are run: what comes out of lm-eval is kept whole and right, and whatever is broken is an error."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from gate.errors import UsageError
from gate.evaluation.backends import Backend, NotScored, opened, watch
from gate.evaluation.harness import distinct, score_task
from gate.evaluation.items import values
from gate.evaluation.results import Evaluated
from gate.evaluation.sampled import _number, items_of
from gate.evaluation.settings import Settings
from gate.evaluation.task import Sample, Suite, Task
from gate.evaluation.task_document import Metric
from tests.evaluation.conftest import Scored
from tests.evaluation.made import ACC, CHOOSE, EXACT, GENERATE, ROLL, additions, capitals, small_suite, task_of

SETTINGS = Settings()


@pytest.fixture(scope="module")
def backend(scored: Scored) -> Iterator[Backend]:
    """The tiny base, loaded."""
    with opened(scored.base, SETTINGS) as found:
        yield found


def run(task: Task, backend: Backend, settings: Settings = SETTINGS) -> pl.DataFrame:
    return score_task(task, settings, backend, lambda done, total: None)[0]


def broken(backend: Backend, head: torch.nn.Module) -> Backend:
    """The same model with another head."""
    from lm_eval.models.huggingface import HFLM

    model = copy.deepcopy(backend.lm.model)
    model._forward_hooks.clear()
    model._forward_pre_hooks.clear()
    model.config.tie_word_embeddings = False
    model.lm_head = head
    watch(model, backend.lm.tokenizer)
    return Backend(HFLM(pretrained=model, tokenizer=backend.lm.tokenizer, batch_size=16), True, 1024)


def head(backend: Backend, fill: float) -> torch.nn.Linear:
    rows, width = backend.lm.model.lm_head.weight.shape
    made = torch.nn.Linear(width, rows, bias=True)
    with torch.no_grad():
        made.weight.fill_(fill)
        made.bias.fill_(fill)
    return made


def test_the_means_are_lm_evals_own(scored: Scored, evaluated_base: Evaluated, backend: Backend) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    from gate.evaluation.harness import _data
    from gate.evaluation.quiet import quietly

    for task in scored.suite.tasks:
        metric = task.document.primary
        with quietly(), _data(task) as config:
            whole: Any = simple_evaluate(
                model=backend.lm, tasks=[config], task_manager=TaskManager(include_defaults=False),
                apply_chat_template=True, bootstrap_iters=0,
            )  # fmt: skip
        theirs = whole["results"][task.name]
        assert theirs[f"{metric}_stderr,none"] == "N/A"  # a string, which nothing here reads
        items = evaluated_base.tasks[task.name].items
        ours = values(items, metric)
        if metric == "bits_per_byte":  # lm-eval's is over all bytes, each item weighted by its own
            sizes = items["target"].str.len_bytes().cast(pl.Float64)
            assert theirs["bits_per_byte,none"] == pytest.approx((ours * sizes).sum() / sizes.sum(), rel=1e-9)
        else:
            assert theirs[f"{metric},none"] == pytest.approx(ours.mean(), abs=1e-12)
            assert evaluated_base.tasks[task.name].scores.scores[metric] == pytest.approx(ours.mean())


def test_an_item_holds_what_was_asked_and_said(evaluated_base: Evaluated) -> None:
    item = evaluated_base.tasks["additions"].items.row(1, named=True)
    assert item["prompt"] == "<|user|>What is 0 plus 3?<|end|>\n<|assistant|>"
    assert (item["target"], item["output"], item["slice"], item["cluster"]) == ("3", "3", "known", "a0")
    chosen = evaluated_base.tasks["capitals"].items.row(1, named=True)
    assert chosen["target"] == "Rome"
    assert chosen["output"] in capitals()[1]["choices"]
    assert evaluated_base.tasks["texts"].items["output"].unique().to_list() == [""]


def test_a_model_that_writes_nothing_scores_nothing_and_is_told_once(backend: Backend) -> None:
    silent = head(backend, 0.0)
    with torch.no_grad():
        silent.bias[backend.lm.tokenizer.eos_token_id] = 1.0
    task = task_of("additions", additions(20), GENERATE, EXACT)
    items, notes = score_task(task, SETTINGS, broken(backend, silent), lambda done, total: None)
    assert values(items, "exact_match").to_list() == [0.0] * 20
    assert items["output"].to_list() == [""] * 20
    assert notes == ("additions: the model wrote nothing at all, on any of 20 items",)


@pytest.mark.parametrize("kind", ["generate", "choose"])
def test_nan_logits_are_an_error_and_not_a_wrong_answer(backend: Backend, kind: str) -> None:
    rows, config, metric = (additions(8), GENERATE, EXACT) if kind == "generate" else (capitals()[:8], CHOOSE, ACC)
    with pytest.raises(NotScored, match=r"sums: the model's logits are NaN at '.*(What|capital)") as error:
        run(task_of("sums", rows, config, metric), broken(backend, head(backend, math.nan)))
    assert error.value.exit_code == 4


def test_nan_logits_of_an_adapter_are_an_error_too(scored: Scored) -> None:
    with opened(scored.candidate, SETTINGS) as own:
        run(task_of("fine", additions(4), GENERATE, EXACT), own)
        with torch.no_grad():
            own.lm.model.get_base_model().model.norm.weight.fill_(math.nan)
        for rows, config, metric in ((additions(8), GENERATE, EXACT), (capitals()[:8], CHOOSE, ACC)):
            with pytest.raises(NotScored, match=r"logits are NaN at '.*(What|capital)"):
                run(task_of("sums", rows, config, metric), own)


def test_a_likelihood_that_is_no_number_names_task_and_item(backend: Backend) -> None:
    task = task_of("capitals", capitals()[:3], CHOOSE, ACC)
    built = _built(task)
    samples = _samples(task, backend)
    samples[2]["filtered_resps"][1] = (math.nan, False)
    with pytest.raises(NotScored, match="capitals, item 2: the log-likelihood of choice 1 is nan"):
        items_of(task, built, samples)


def test_a_part_of_a_task_is_no_result(backend: Backend) -> None:
    task = task_of("capitals", capitals()[:3], CHOOSE, ACC)
    with pytest.raises(NotScored, match="2 of 3 items were scored"):
        items_of(task, _built(task), _samples(task, backend)[:2])


def test_empty_and_non_ascii_targets_work(backend: Backend) -> None:
    rows = [
        {"question": "What is 1 plus 2?", "answer": "3"},
        {"question": "Sag nichts.", "answer": ""},
        {"question": "日本の首都は？", "answer": "東京"},
        {"question": "Hlavní město ČR? 🏰", "answer": "Praha — žluťoučký kůň"},
    ]
    items = run(task_of("words", rows, GENERATE, EXACT), backend)
    assert items["target"].to_list() == [row["answer"] for row in rows]
    assert items["prompt"][2] == "<|user|>日本の首都は？<|end|>\n<|assistant|>"
    assert values(items, "exact_match").to_list()[0] == 1.0


def test_scorers_see_the_item_and_stand_beside_lm_evals_metrics(backend: Backend) -> None:
    seen: list[Sample] = []

    def length(sample: Sample) -> dict[str, float]:
        seen.append(sample)
        return {"characters": float(len(sample.outputs[0]))}

    metric = Metric(name="characters", binary=False, scorer="length@1")
    items = run(task_of("sums", additions(4), GENERATE, EXACT, metric, scorers=(length,)), backend)
    assert items["scores"][1].to_list() == [
        {"metric": "exact_match", "value": 1.0}, {"metric": "characters", "value": 1.0},
    ]  # fmt: skip
    assert (seen[1].doc["question"], seen[1].target, seen[1].outputs) == ("What is 0 plus 3?", "3", ("3",))


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ((Metric(name="accuracy", binary=True, scorer="lm_eval"),), "no metric 'accuracy', but exact_match"),
        ((Metric(name="f1", binary=False, scorer="f1@1"),), "f1@1 gives no metric 'f1'"),
    ],
)
def test_a_metric_that_nobody_gives_is_an_error(backend: Backend, metrics: tuple[Metric, ...], said: str) -> None:
    with pytest.raises(NotScored, match=said):
        run(task_of("sums", additions(3), GENERATE, *metrics), backend)


def test_a_metric_over_the_whole_task_names_the_way_out(backend: Backend) -> None:
    config = CHOOSE | {"metric_list": [{"metric": "brier_score", "aggregation": "brier_score"}]}
    brier = Metric(name="brier_score", binary=False, scorer="lm_eval")
    with pytest.raises(NotScored, match="over a whole task, and not of each item") as error:
        run(task_of("capitals", capitals()[:4], config, brier), backend)
    assert "scorers" in str(error.value)


def test_numbers_of_every_library_are_numbers() -> None:
    for value in (1, True, 1.0, np.float32(1), np.int64(1), np.bool_(True), np.array(1.0), torch.tensor(1.0)):
        number = _number("acc", value, "x")
        assert type(number) is float
        assert number == 1.0
    assert _number("bits_per_byte", (-8 * math.log(2), 4), "x") == pytest.approx(2.0)
    for value in ("N/A", None, [1, 2], np.array([1.0, 2.0])):
        with pytest.raises(NotScored):
            _number("acc", value, "x")


def test_a_task_that_comes_twice_is_run_once_and_two_of_one_name_are_refused() -> None:
    one, other = task_of("sums", additions(4), GENERATE, EXACT), task_of("sums", additions(5), GENERATE, EXACT)
    assert distinct(Suite("forgetting", "", (one, one))) == (one,)
    with pytest.raises(UsageError, match="two different tasks are called sums"):
        distinct(Suite("forgetting", "", (one, other)))
    with pytest.raises(UsageError, match="has no tasks"):
        distinct(Suite("forgetting", "", ()))


def test_shots_and_system_prompt_reach_the_model(scored: Scored, backend: Backend) -> None:
    task = scored.suite.tasks[0]
    settings = Settings(shots=2, system="Answer with digits.")
    prompt = run(task, backend, settings)["prompt"][0]
    assert prompt.startswith("<|system|>Answer with digits.<|end|>\n<|user|>What is ")
    assert prompt.count("<|user|>") == 3
    assert prompt.endswith("<|user|>What is 21 plus 33?<|end|>\n<|assistant|>")


def test_shots_are_never_taken_from_the_test_items(backend: Backend) -> None:
    task = task_of("sums", additions(6), GENERATE, EXACT)
    with pytest.raises(UsageError, match="no examples for 2 shots but its test items"):
        run(task, backend, Settings(shots=2))
    own = task_of("sums", additions(6), GENERATE | {"num_fewshot": 2}, EXACT)
    with pytest.raises(UsageError, match="no examples for 2 shots"):
        run(own, backend)


def test_items_that_are_not_those_of_the_digest_are_refused(backend: Backend) -> None:
    task = small_suite().tasks[0]
    changed = Task(task.document, task.config, task.documents[:-1])
    with pytest.raises(UsageError, match="not those of its digest"):
        run(changed, backend)
    with pytest.raises(UsageError, match="no items"):
        run(Task(task.document, task.config, ()), backend)


def test_data_that_cannot_be_reached_blocks_with_a_clear_sentence(backend: Backend) -> None:
    task = task_of("far", additions(2), GENERATE | {"dataset_path": "nobody-at-all/nothing-of-this-name"}, EXACT)
    away = Task(task.document.model_copy(update={"data": None}), task.config)
    with pytest.raises(NotScored, match="far: its data or its server cannot be reached") as error:
        run(away, backend)
    assert error.value.exit_code == 4
    assert "HF_HUB_OFFLINE" in str(error.value)


def test_prompts_that_do_not_fit_are_told_of(backend: Backend) -> None:
    long = {"question": "What is 1 plus 2? " * 400, "answer": "3"}
    _, notes = score_task(
        task_of("sums", [*additions(3), long], GENERATE, EXACT), SETTINGS, backend, lambda done, total: None
    )
    assert notes == ("sums: 1 of 4 prompts are longer than the model's context, and were cut",)


def test_a_text_of_many_windows_is_scored_whole(backend: Backend) -> None:
    text = " ".join(f"The opposite of hot is cold, {number}." for number in range(300))
    metric = Metric(name="bits_per_byte", binary=False, higher_is_better=False, scorer="lm_eval")
    items = run(task_of("long", [{"text": text}, {"text": "Short."}], ROLL, metric), backend)
    assert values(items, "bits_per_byte").is_finite().all()


def _built(task: Task) -> Any:
    from lm_eval.tasks import TaskManager

    from gate.evaluation.harness import _data
    from gate.evaluation.quiet import quietly

    with quietly(), _data(task) as config:
        (built,) = TaskManager(include_defaults=False).load([config])["tasks"].values()
        return built


def _samples(task: Task, backend: Backend) -> list[dict[str, Any]]:
    """What lm-eval logs of a task."""
    from lm_eval import simple_evaluate

    from gate.evaluation.quiet import quietly

    with quietly():
        found: Any = simple_evaluate(
            model=backend.lm, tasks=[_built(task)], apply_chat_template=True, bootstrap_iters=0, task_manager=_manager()
        )
    return list(found["samples"][task.name])


def _manager() -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_defaults=False)
