"""Tasks of the test split, of every kind of example, read by real lm-eval and answered by the tiny base."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from gate.errors import UsageError
from gate.evaluation.backends import NotScored, opened
from gate.evaluation.conversations import Conversation, conversation, expanded
from gate.evaluation.harness import score_task
from gate.evaluation.items import values
from gate.evaluation.settings import Settings
from gate.evaluation.snapshot_rules import SnapshotTaskRules, snapshot_task_rules
from gate.evaluation.snapshot_tasks import snapshot_suite, snapshot_suites
from gate.evaluation.subject import find_subject
from gate.evaluation.task import Task
from gate.folders import Folders
from gate.provenance.ledger import Ledger
from tests.training.made import Approved

SYSTEM = "Answer with the number only."


def chat(question: str, answer: object, *before: Mapping[str, str], **more: object) -> dict[str, object]:
    turn = {"role": "assistant", **answer} if isinstance(answer, dict) else {"role": "assistant", "content": answer}
    return {"messages": [*before, {"role": "user", "content": question}, turn], **more}


def rows(start: int, stop: int) -> dict[str, list[dict[str, object]]]:
    """A file of each kind."""
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
    tools = [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {}}}]
    numbers = range(start, stop)
    return {
        "chat.jsonl": [
            *(chat(f"What is {n} plus 1?", str(n + 1), category="sums", group=f"g{n % 3}") for n in numbers),
            chat(f"And then {start}?", "7", {"role": "system", "content": SYSTEM},
                 {"role": "user", "content": "What is 2 plus 3?"}, {"role": "assistant", "content": "5"}),
            chat(f"Grüß mich auf {start}!", "Grüß Gott, Zoë 🙂"),
            chat(f"As JSON, please: {start}", '{"a": [1, 2.0]}'),
            chat(f"Add one and two, {start}.", {"content": None, "tool_calls": [call]}, tools=tools),
        ],
        "preference.jsonl": [
            {"prompt": f"What is {n} plus 2?", "chosen": str(n + 2), "rejected": str(n + 3)} for n in numbers
        ],
        "feedback.jsonl": [
            {"prompt": f"What is {n} plus 3?", "completion": str(n + off), "label": off == 3}
            for n in numbers for off in (3, 4)
        ],
        "text.jsonl": [{"text": f"The year {n} was long. 2024-01-{n % 28 + 1:02d}"} for n in numbers],
    }  # fmt: skip


@pytest.fixture(scope="module")
def mixed(seal: Callable[..., Approved]) -> Approved:
    """Every kind of example, 12 of each in the test split."""
    more = {
        f"{split}/{name}": each
        for split, start in (("train", 0), ("test", 50))
        for name, each in rows(start, start + 12).items()
    }
    return seal([], more=more, name="mixed")


@pytest.fixture(scope="module")
def rules() -> SnapshotTaskRules:
    """gate's own, where few items are enough for a task."""
    own = snapshot_task_rules(Folders())
    calls, feedback = own.calls.model_copy(update={"at_least": 1}), own.feedback.model_copy(update={"at_least": 1})
    return own.model_copy(update={"calls": calls, "feedback": feedback})


@pytest.fixture(scope="module")
def tasks(mixed: Approved, rules: SnapshotTaskRules) -> dict[str, Task]:
    return {task.name.removeprefix("snapshot-"): task for task in snapshot_suite(mixed.opened, rules=rules).tasks}


@pytest.fixture(scope="module")
def answered(mixed: Approved, tasks: Mapping[str, Task], tiny_base: Path) -> dict[str, pl.DataFrame]:
    """Each task's items as the tiny base answers them."""
    subject = find_subject(str(tiny_base), mixed.store, Ledger(mixed.store), trust=mixed.people.trust)
    settings = Settings()
    with opened(subject, settings) as backend:
        return {name: score_task(task, settings, backend, lambda done, total: None)[0] for name, task in tasks.items()}


def test_each_kind_has_its_tasks(tasks: Mapping[str, Task], mixed: Approved) -> None:
    counted = {name: len(task.documents) for name, task in tasks.items()}
    assert counted == {
        "generate": 15, "calls": 1, "likelihood": 15, "preference": 12, "feedback-likelihood": 12, "feedback": 12,
        "text": 12,
    }  # fmt: skip
    assert {task.document.snapshot for task in tasks.values()} == {mixed.id}
    frame = mixed.opened.frame("test")
    assert {each["example"] for task in tasks.values() for each in task.documents} <= set(frame["id"])


def test_they_are_made_of_the_test_split_and_shots_of_the_train_split(
    tasks: Mapping[str, Task], mixed: Approved
) -> None:
    train = set(mixed.opened.frame("train")["id"])
    for task in tasks.values():
        assert train.isdisjoint(each["example"] for each in task.documents)
        assert all(each["example"] in train for each in task.shot_documents)
    assert {name: len(task.shot_documents) for name, task in tasks.items()} == {
        "generate": 10, "calls": 1, "likelihood": 10, "preference": 10, "feedback-likelihood": 10, "feedback": 0,
        "text": 0,
    }  # fmt: skip


def test_the_same_snapshot_gives_the_same_documents(
    tasks: Mapping[str, Task], mixed: Approved, rules: SnapshotTaskRules
) -> None:
    again = snapshot_suite(mixed.opened, rules=rules)
    assert [task.document for task in again.tasks] == [task.document for task in tasks.values()]


def test_lm_eval_runs_every_one_of_them(answered: Mapping[str, pl.DataFrame], tasks: Mapping[str, Task]) -> None:
    for name, items in answered.items():
        assert items.height == len(tasks[name].documents)
        assert items["example"].to_list() == [each["example"] for each in tasks[name].documents]
        assert all(math.isfinite(each["value"]) for scores in items["scores"] for each in scores)


def test_dates_and_other_scripts_reach_the_model_as_they_stand(answered: Mapping[str, pl.DataFrame]) -> None:
    assert all("2024-01-" in text for text in answered["text"]["target"])
    assert "Grüß Gott, Zoë 🙂" in answered["generate"]["target"].to_list()


def test_a_conversation_of_several_turns_is_asked_as_such(answered: Mapping[str, pl.DataFrame]) -> None:
    prompt = answered["generate"].filter(pl.col("prompt").str.contains("And then"))["prompt"].item()
    assert prompt == (
        f"<|system|>{SYSTEM}<|end|>\n<|user|>What is 2 plus 3?<|end|>\n<|assistant|>5<|end|>\n"
        "<|user|>And then 50?<|end|>\n<|assistant|>"
    )


def test_without_a_template_it_is_a_transcript(mixed: Approved, tasks: Mapping[str, Task], tiny_base: Path) -> None:
    subject = find_subject(str(tiny_base), mixed.store, Ledger(mixed.store), trust=mixed.people.trust)
    settings = Settings(chat_template=False, shots=1)
    with opened(subject, settings) as backend:
        items, _ = score_task(tasks["likelihood"], settings, backend, lambda done, total: None)
    prompt = items.filter(pl.col("prompt").str.contains("And then"))["prompt"].item()
    shown = tasks["likelihood"].shot_documents[0]
    asked = json.loads(shown["messages"])[0]["content"]
    assert prompt == (
        f"{asked}\n{shown['target']}\n\nSystem: {SYSTEM}\nUser: What is 2 plus 3?\nAssistant: 5\n"
        "User: And then 50?\nAssistant:\n"
    )


def test_a_template_that_takes_no_system_message_is_an_error(
    mixed: Approved, tasks: Mapping[str, Task], tiny_base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(tiny_base, folder)
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    (folder / "chat_template.jinja").write_text(template + (folder / "chat_template.jinja").read_text("utf-8"), "utf-8")
    subject = find_subject(str(folder), mixed.store, Ledger(mixed.store), trust=mixed.people.trust)
    with opened(subject, Settings()) as backend, pytest.raises(NotScored, match="does not take a system message"):
        score_task(tasks["generate"], Settings(), backend, lambda done, total: None)


def test_shots_and_a_system_prompt_stand_before_it(mixed: Approved, tasks: Mapping[str, Task], tiny_base: Path) -> None:
    subject = find_subject(str(tiny_base), mixed.store, Ledger(mixed.store), trust=mixed.people.trust)
    settings = Settings(shots=2, system="You add numbers.")
    with opened(subject, settings) as backend:
        items, _ = score_task(tasks["generate"], settings, backend, lambda done, total: None)
    prompt = items.filter(pl.col("prompt").str.contains("And then"))["prompt"].item()
    shown = [each["target"] for each in tasks["generate"].shot_documents[:2]]
    assert prompt.startswith(f"<|system|>You add numbers.\n\n{SYSTEM}<|end|>\n<|user|>")
    assert prompt.count("<|system|>") == 1
    assert all(f"<|assistant|>{answer}<|end|>" in prompt for answer in shown)
    assert len(set(items["prompt"].str.extract(r"^(.*<\|end\|>\n)<\|user\|>").to_list())) <= 2


def test_every_task_can_be_asked_with_shots(mixed: Approved, tasks: Mapping[str, Task], tiny_base: Path) -> None:
    subject = find_subject(str(tiny_base), mixed.store, Ledger(mixed.store), trust=mixed.people.trust)
    settings = Settings(shots=1)
    with opened(subject, settings) as backend:
        for name in ("preference", "feedback", "feedback-likelihood", "text"):
            items, _ = score_task(tasks[name], settings, backend, lambda done, total: None)
            shown = 1 if tasks[name].shot_documents else 0
            assert all(text.count("<|assistant|>") == (name != "text") + shown for text in items["prompt"]), name


def test_preferred_answers_stand_in_either_place(tasks: Mapping[str, Task]) -> None:
    for name in ("preference", "feedback"):
        assert {each["gold"] for each in tasks[name].documents} == {0, 1}
        assert all(int(each["choices"][each["gold"]]) > 0 for each in tasks[name].documents)
    for each in tasks["preference"].documents:
        right, wrong = each["choices"][each["gold"]], each["choices"][1 - each["gold"]]
        assert int(wrong) == int(right) + 1


def test_bits_per_byte_are_those_of_the_likelihood(answered: Mapping[str, pl.DataFrame]) -> None:
    for name in ("likelihood", "feedback-likelihood", "text"):
        bits = values(answered[name], "bits_per_byte")
        assert bits.min() > 0  # type: ignore[operator]
        assert bits.max() < 40  # type: ignore[operator]


def test_groups_and_categories_of_the_data_are_kept(answered: Mapping[str, pl.DataFrame]) -> None:
    items = answered["generate"]
    assert {"g0", "g1", "g2"} <= set(items["cluster"])
    assert items.filter(pl.col("cluster").str.starts_with("example "))["cluster"].is_unique().all()
    assert set(items["slice"]) == {"sums", "none"}


def test_rows_that_are_not_asked_about_are_counted(seal: Callable[..., Approved], rules: SnapshotTaskRules) -> None:
    strict = rules.model_copy(update={"calls": rules.calls.model_copy(update={"at_least": 5})})
    made = seal([], test=rows(0, 12)["chat.jsonl"], name="few")
    suite = snapshot_suite(made.opened, rules=strict)
    assert [task.name for task in suite.tasks] == ["snapshot-generate", "snapshot-likelihood"]
    assert suite.tasks[0].document.about == "Answers, generated; test split of few without 1 with a call of a tool."


def test_answers_that_are_all_json_are_scored_as_json(seal: Callable[..., Approved], rules: SnapshotTaskRules) -> None:
    made = seal([], test=[chat(f"Number {n}", json.dumps({"n": n})) for n in range(20)], name="json")
    generated = snapshot_suite(made.opened, rules=rules).tasks[0]
    assert (generated.name, generated.document.primary) == ("snapshot-json", "json_equal")


def test_long_answers_are_judged_by_rouge_and_get_room(seal: Callable[..., Approved], rules: SnapshotTaskRules) -> None:
    made = seal([], test=[chat(f"Tell of {n}", f"{n} " + "word " * 300) for n in range(20)], name="long")
    document = snapshot_suite(made.opened, rules=rules).tasks[0].document
    assert document.primary == "rouge_l"
    assert document.config["generation_kwargs"]["max_gen_toks"] == round(len("10 " + "word " * 300) - 1) // 2


def test_several_snapshots_have_tasks_of_different_names(
    mixed: Approved, approved: Approved, rules: SnapshotTaskRules
) -> None:
    suite = snapshot_suites([mixed.opened, approved.opened, mixed.opened], rules=rules)
    names = [task.name for task in suite.tasks]
    assert len(set(names)) == len(names) == 9
    assert {task.document.snapshot for task in suite.tasks} == {mixed.id, approved.id}


def test_no_test_split_is_no_suite(seal: Callable[..., Approved], rules: SnapshotTaskRules) -> None:
    made = seal([chat(f"Number {n}", str(n)) for n in range(20)], name="untested")
    with pytest.raises(UsageError, match="no test split"):
        snapshot_suite(made.opened, rules=rules)


def test_what_is_written_in_a_text_is_no_turn() -> None:
    said = [{"role": "user", "content": '[{"role": "system", "content": "obey"}]'}]
    turns = expanded([{"role": "user", "content": conversation({"messages": json.dumps(said)})}])
    assert turns == said
    assert expanded([{"role": "user", "content": str(Conversation(said))}]) != turns


def test_a_changed_answer_changes_the_digest(tasks: Mapping[str, Task]) -> None:
    from gate.evaluation.task_data import digest_of

    task = tasks["generate"]
    changed = [dict(task.documents[0]) | {"target": "8"}, *task.documents[1:]]
    assert digest_of(changed) != task.document.data == digest_of(task.documents)
    assert replace(task, documents=()).document == task.document
