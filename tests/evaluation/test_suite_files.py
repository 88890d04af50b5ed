"""Suites are read strictly: what lm-eval would take without a word is an error with file and line."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from gate.errors import PolicyError, UsageError
from gate.evaluation.suite_files import check_names, read_suite, read_suites
from gate.evaluation.task import Suite
from gate.evaluation.task_data import placed, read_items
from gate.evaluation.task_form import DEFAULT_METRICS, OF_ALL, PER_ITEM, REFUSED, SCORED_BY, TaskForm
from gate.folders import SHIPPED, Folders

GROUP = "group: regression\ntask: [sums]\nmetadata: {gate: {about: Ours.}}\n"
TASK = """\
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: sums.jsonl}}
test_split: test
doc_to_text: "{{question}}"
doc_to_target: answer
metadata: {gate: {about: Adds.}}
"""
CHOICES = TASK + 'output_type: multiple_choice\ndoc_to_choice: "{{options}}"\n'
ITEMS = [{"question": "What is 1 plus 2?", "answer": "3"}, {"question": "Zwölf – 二?", "answer": "zehn"}]


class Repository:
    """A repository with a suite of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("regression.yaml", GROUP)
        self.write("sums.yaml", TASK)
        self.items(ITEMS)

    def write(self, name: str, content: str | bytes, suite: str = "regression") -> Path:
        path = self.root / "rules" / "suites" / suite / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def items(self, rows: list[Any], name: str = "sums.jsonl") -> None:
        self.write(name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def read(self, name: str = "regression", **options: Any) -> Suite:
        return read_suite(name, Folders(self.root), **options)

    def refused(self, match: str, where: str, **options: Any) -> PolicyError:
        with pytest.raises(PolicyError, match=match) as caught:
            self.read(**options)
        assert caught.value.where == f"rules/suites/regression/{where}"
        return caught.value


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_a_suite_of_ones_own_takes_the_place_of_gates(repository: Repository) -> None:
    suite = repository.read()
    (task,) = suite.tasks
    assert (suite.about, task.name, len(task.documents)) == ("Ours.", "sums", 2)
    assert task.document.source == "suite"
    assert str(repository.root) not in task.document.model_dump_json()


def test_or_adds_to_it(repository: Repository) -> None:
    repository.write("forgetting.yaml", GROUP.replace("regression", "forgetting"), "forgetting")
    for name in ("sums.yaml", "sums.jsonl"):
        (repository.root / "rules/suites/forgetting" / name).write_bytes(
            (repository.root / "rules/suites/regression" / name).read_bytes()
        )
    assert [task.name for task in repository.read("forgetting").tasks] == ["sums"]
    group = GROUP.replace("regression", "forgetting").replace("gate: {", "gate: {extends: true, ")
    repository.write("forgetting.yaml", group, "forgetting")
    names = [task.name for task in repository.read("forgetting").tasks]
    assert names[-1] == "sums"
    assert len(names) > 5
    with pytest.raises(PolicyError, match="two tasks are called 'sums'"):
        check_names(read_suites(Folders(repository.root), ("regression", "forgetting")))


def test_every_suite_of_gates_own_can_be_read() -> None:
    suites = {suite.name: suite for suite in read_suites(Folders())}
    assert suites["forgetting"].tasks
    assert not suites["regression"].tasks  # they are made of a test split


def test_the_same_items_have_the_same_digest_wherever_they_lie(repository: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "elsewhere")
    other.write("sums.jsonl", b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(row).encode() for row in ITEMS))
    assert other.read().tasks[0].document == repository.read().tasks[0].document
    other.items([*ITEMS[:1], ITEMS[1] | {"answer": "elf"}])
    assert other.read().tasks[0].document != repository.read().tasks[0].document


def test_lm_eval_gets_the_items_as_they_stand(repository: Repository, tmp_path: Path) -> None:
    from datasets import load_dataset

    rows = [
        {"question": "When?", "answer": f"2024-01-0{n}", "n": n, "checks": [{"check": "words", "at_most": n}]}
        for n in (1, 2)
    ]
    repository.items(rows)
    task = placed(repository.read().tasks[0], tmp_path / "placed")
    file = Path(task.config["dataset_kwargs"]["data_files"]["test"])
    assert task.document.data in file.name
    read = load_dataset("parquet", data_files={"test": str(file)}, split="test", cache_dir=str(tmp_path / "cache"))
    assert list(read) == rows  # JSON read by `datasets` has timestamps here


def test_the_keys_are_those_of_lm_eval() -> None:
    from lm_eval.config.task import TaskConfig

    theirs = {field.name for field in dataclasses.fields(TaskConfig)}
    ours = set(TaskForm.model_fields)
    assert ours <= theirs
    assert theirs - ours <= set(REFUSED)


def test_the_metrics_are_those_of_lm_eval() -> None:
    import lm_eval.api.metrics  # noqa: F401 - it registers them
    from lm_eval.api.registry import DEFAULT_METRIC_REGISTRY, METRIC_REGISTRY, is_higher_better

    known = set(PER_ITEM) | set(SCORED_BY) | set(OF_ALL)
    assert known <= set(METRIC_REGISTRY)
    assert set(METRIC_REGISTRY) - known == {"acc_all"}  # of one benchmark
    assert all(is_higher_better(name) is metric.higher_is_better for name, metric in PER_ITEM.items())
    assert set(DEFAULT_METRICS) == set(DEFAULT_METRIC_REGISTRY)


@pytest.mark.parametrize(
    ("change", "match", "line"),
    [
        ("output_type: x", "output_type: input should be", 8),
        ("ouput_type: multiple_choice", "ouput_type: there is no such key", 8),
        ("num_fewshot: two", "num_fewshot: input should be a valid integer", 8),
        ("dataset_name: [a]", "dataset_name", 8),
        ("metric_list: [{metrik: acc}]", "metric_list.0.metric", 8),
        ("metric_list: [{metric: akkuracy}]", "there is no metric 'akkuracy'", 8),
        ("metric_list: [{metric: mcc}]", "none of its metrics is a number of each item", 8),
        ("num_fewshot: 2", "no split to draw examples from", 8),
        ("fewshot_split: test", "drawn from the items that are scored", 8),
        ("fewshot_split: train", "`data_files` has no 'train'", 8),
        ("process_docs: !function code.f", "process_docs: not in a suite", 8),
        ("unsafe_code: true", "unsafe_code: not in a suite", 8),
        ("class: code.Task", "class: not in a suite", 8),
        ("generation_kwargs: {until: !function code.f}", "no function can stand here", 8),
        ("process_results: !function code.f", "there is no file regression/code.py", 8),
        ("gen_prefix: '{{nothing}}'", "gen_prefix: 'nothing' is undefined", "sums.jsonl:1"),
        ("description: '{{question.__class__.__mro__}}'", "reaches for Python's insides", "sums.jsonl:1"),
        ("filter_list: [{name: a, filter: []}, {name: b, filter: []}]", "several filters", 8),
        ("task: again", "the key 'task' stands there twice", 8),
    ],
)
def test_a_task_with_a_typo(repository: Repository, change: str, match: str, line: int | str) -> None:
    repository.write("sums.yaml", f"{TASK}{change}\n")
    repository.refused(match, line if isinstance(line, str) else f"sums.yaml:{line}")


@pytest.mark.parametrize(
    ("gate", "match"),
    [
        ("primery: f1", "primery: there is no such key"),
        ("primary: f1", "'f1' is none of its metrics"),
        ("chance: 1.5", "chance: input should be less than or equal to 1"),
        ("scorers: [f2]", "there is no scorer 'f2'"),
        ("scorers: [exact_match]", "the metric 'exact_match' comes from lm_eval and exact_match@1"),
        ("cluster: page", "no item has a field 'page'"),
        ("slice: page", "no item has a field 'page'"),
        ("hub: true", "a task of lm-eval's own stands in the group's list"),
    ],
)
def test_what_gate_asks_beyond_lm_eval(repository: Repository, gate: str, match: str) -> None:
    repository.write("sums.yaml", TASK.replace("about: Adds.", gate))
    repository.refused(match, "sums.yaml:7")


@pytest.mark.parametrize(
    ("content", "match", "line"),
    [
        (b"", "the file has no items", ""),
        (b"\n \n", "the file has no items", ""),
        (b'{"question": "a", "answer": "b"}\n{"question": ', "not JSON", ":2"),
        (b'{"question": "a", "answer": NaN}\n', "not JSON", ":1"),
        (b'["question"]\n', "no JSON object", ":1"),
        (b'{"question": "a", "answer": "b", "answer": "c"}\n', "'answer' stands there twice", ":1"),
        (b'{"question": "a", "answer": "b"}\n\n{"question": "c"}\n', "`answer` is missing", ":3"),
        (b'{"question": "a", "answer": null}\n', "`answer` is missing", ":1"),
        (b'{"question": null, "answer": "b"}\n', "`question` is missing", ":1"),
        (b'{"question": "a", "answer": "b"}\n{"question": "c", "answer": 4}\n', "a whole number here and text", ":2"),
        (b'{"question": "a", "answer": "b"}\n{"question": "a", "answer": "b"}\n', "the same item as line 1", ":2"),
        (b'{"id": 1, "question": "a", "answer": "b"}\n{"id": 1, "question": "c", "answer": "d"}\n', "the id 1", ":2"),
        (b'{"question": "a", "answer": "b", "n": [1, "x"]}\n', "do not fit together", ""),
        (b'{"question": "a", "answer": 99999999999999999999}\n', "more than 64 bits", ":1"),
    ],
)
def test_items_that_cannot_be_asked(repository: Repository, content: bytes, match: str, line: str) -> None:
    repository.write("sums.jsonl", content)
    repository.refused(match, f"sums.jsonl{line}")


@pytest.mark.parametrize(
    ("item", "match"),
    [
        ({"answer": 2, "options": ["a", "b"]}, "the answer 2 is none of 2 choices"),
        ({"answer": -1, "options": ["a", "b"]}, "the answer -1 is none of 2 choices"),
        ({"answer": "c", "options": ["a", "b"]}, "the answer 'c' is none of the choices"),
        ({"answer": 0, "options": ["a"]}, "fewer than two choices"),
        ({"answer": 0, "options": ["a", "a"]}, "two choices are the same"),
        ({"answer": 0, "options": ["a", ""]}, "an empty choice"),
        ({"answer": 0, "options": "ab"}, "doc_to_choice does not give a list of texts"),
        ({"answer": 0, "options": [1, 2]}, "doc_to_choice does not give a list of texts"),
    ],
)
def test_choices_of_which_none_is_right(repository: Repository, item: dict[str, Any], match: str) -> None:
    repository.write("sums.yaml", CHOICES)
    repository.items([{"question": "?", **item}])
    repository.refused(match, "sums.jsonl:1")


def test_guessing_is_worked_out_of_the_choices(repository: Repository) -> None:
    repository.write("sums.yaml", CHOICES)
    repository.items([{"question": f"{n}?", "answer": 0, "options": list("abcd"[:n])} for n in (2, 4)])
    assert repository.read().tasks[0].document.chance == pytest.approx(0.375)


def test_what_lm_eval_would_take_for_something_else(repository: Repository) -> None:
    repository.write("sums.yaml", CHOICES)
    repository.items([{"question": text, "answer": 0, "options": ["a", "b"]} for text in ("What?", "42")])
    repository.refused("a bare number, which lm-eval takes for that of a choice", "sums.jsonl:2")
    repository.write("sums.yaml", TASK.replace("doc_to_target: answer", 'doc_to_target: "{{answer}}"'))
    repository.items([ITEMS[0], {"question": "As JSON?", "answer": "[1, 2]"}])
    repository.refused("written like a list, which lm-eval takes for several answers", "sums.jsonl:2")


def test_an_empty_answer_only_where_the_metric_can_take_it(repository: Repository) -> None:
    repository.items([ITEMS[0], {"question": "Say nothing.", "answer": ""}])
    assert repository.read().tasks[0].documents[1]["answer"] == ""
    repository.write("sums.yaml", TASK.replace("about: Adds.", "scorers: [rouge_l]"))
    repository.refused("an empty answer, which rouge_l@1 can make nothing of", "sums.jsonl:2")
    repository.write("sums.yaml", f"{TASK}output_type: loglikelihood\n")
    repository.refused("an empty text has no likelihood", "sums.jsonl:2")


def test_checks_of_form_are_read_before_a_model_runs(repository: Repository) -> None:
    repository.write("sums.yaml", TASK.replace("about: Adds.", "scorers: [format]"))
    repository.items([{"question": "?", "answer": "", "checks": [{"check": "wrods", "exactly": 1}]}])
    repository.refused("there is no check of that name", "sums.jsonl:1")


@pytest.mark.parametrize("file", ["../sums.jsonl", "/etc/hostname", "link.jsonl"])
def test_no_path_leads_out_of_the_folder(repository: Repository, file: str, tmp_path: Path) -> None:
    repository.write("sums.jsonl", "{}", suite="")
    (repository.root / "rules/suites/regression/link.jsonl").symlink_to(repository.root / "rules/suites/sums.jsonl")
    repository.write("sums.yaml", TASK.replace("test: sums.jsonl", f"test: {file}"))
    repository.refused("leads out of the suite's folder", "sums.yaml:3")


def test_data_that_is_not_there_or_would_be_downloaded(repository: Repository) -> None:
    repository.write("sums.yaml", TASK.replace("test: sums.jsonl", "test: smus.jsonl"))
    repository.refused("there is no file 'smus.jsonl'", "sums.yaml:3")
    repository.write("sums.yaml", TASK.replace("path: json", "path: openai/gsm8k"))
    repository.refused("'openai/gsm8k' would be downloaded", "sums.yaml:2")


def test_includes_stay_in_the_folder_and_own_keys_win(repository: Repository) -> None:
    repository.write("_shared.yaml", TASK.replace("task: sums\n", "") + "num_fewshot: 0\n")
    repository.write("sums.yaml", "include: _shared.yaml\ntask: sums\nmetadata: {gate: {about: Mine.}}\n")
    document = repository.read().tasks[0].document
    assert (document.about, document.config["num_fewshot"]) == ("Mine.", 0)
    repository.write("sums.yaml", "include: _shared.yaml\ntask: sums\nouput_type: x\n")
    repository.refused("ouput_type", "sums.yaml:3")
    repository.write("outside.yaml", TASK, suite="")
    repository.write("sums.yaml", "include: ../outside.yaml\ntask: sums\n")
    repository.refused("leads out of the suite's folder", "sums.yaml:1")
    repository.write("sums.yaml", "include: sums.yaml\ntask: sums\n")
    repository.refused("it includes itself", "sums.yaml:1")


@pytest.mark.parametrize(
    ("tasks", "match"),
    [
        ("[sums, sums]", "'sums' is in the suite twice"),
        ("[sums, inner]", "'sums' is in the suite twice, alone and in a group"),
        ("[sums, {group: other, task: [sums]}]", "'sums' is in the suite twice, alone and in a group"),
        ("[smus]", "there is no task 'smus' in the folder"),
        ("[{task: gsm8k}]", "there is no task 'gsm8k' in the folder"),
        ("[{task: gsm8k, metadata: {gate: {hub: true}}}]", "metadata.gate.primary: missing"),
        ("[{task: gsm8k, metadata: {gate: {hub: true, primary: f1x}}}]", "is 'f1x' 0 or 1 for each item"),
        ("[{task: gsm8k, doc_to_text: x, metadata: {gate: {hub: true, primary: acc}}}]", "doc_to_text"),
    ],
)
def test_groups_that_name_what_is_not_there_or_twice(repository: Repository, tasks: str, match: str) -> None:
    repository.write("regression.yaml", GROUP.replace("[sums]", tasks))
    if "inner" in tasks:
        repository.write("inner.yaml", "group: inner\ntask: [sums]\n")
        where = "inner.yaml:2"
    else:
        where = "regression.yaml:2"
    repository.refused(match, where)


def test_a_task_that_no_group_names(repository: Repository) -> None:
    repository.write("other.yaml", TASK.replace("task: sums", "task: other"))
    repository.refused("the task 'other' is in no group", "other.yaml:1")
    repository.write("other.yaml", "taks: other\n")
    repository.refused("neither a task nor a group", "other.yaml")


def test_tasks_of_the_hub_are_named_and_nothing_is_fetched(repository: Repository) -> None:
    hub = "[sums, {task: gsm8k, num_fewshot: 5, metadata: {gate: {hub: true, primary: exact_match, filter: strict}}}]"
    repository.write("regression.yaml", GROUP.replace("[sums]", hub))
    task = repository.read().tasks[1]
    assert (task.document.source, task.document.shots, task.document.data) == ("hub", 5, None)
    assert task.config["metadata"]["gate"]["filter"] == "strict"


def test_python_runs_only_when_it_was_allowed_by_name_and_digest(repository: Repository, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close()\ndef text(doc):\n    return doc['question'].upper()\n"
    repository.write("score.py", code)
    repository.write("sums.yaml", TASK.replace('"{{question}}"', "!function score.text"))
    error = repository.refused("runs Python of its own, which is not allowed", "sums.yaml:5")
    assert not mark.exists()
    name = re.search(r"--allow-code (\S+)", error.remedy or "")[1]  # type: ignore[index]
    assert name == f"regression/score.py@{hashlib.sha256(code.encode()).hexdigest()}"
    task = repository.read(allow_code=[name]).tasks[0]
    assert task.config["doc_to_text"](ITEMS[0]) == "WHAT IS 1 PLUS 2?"
    assert task.document.config["doc_to_text"] == "!function score.text"
    assert task.document.code == hashlib.sha256(code.encode()).hexdigest()
    repository.write("score.py", code + "# changed\n")
    repository.refused("was allowed with another digest", "sums.yaml:5", allow_code=[name])
    with pytest.raises(UsageError, match="does not say which code"):
        repository.read(allow_code=["regression/score.py"])


def test_a_suite_without_tasks_measures_nothing(repository: Repository) -> None:
    repository.write("safety.yaml", "group: safety\ntask: []\n", "safety")
    with pytest.raises(PolicyError, match="the suite has no tasks"):
        repository.read("safety")
    with pytest.raises(UsageError, match="did you mean 'safety'"):
        repository.read("saftey")


def test_the_wrong_file_is_not_read_into_memory(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.evaluation.task_data.LARGEST_FILE", 10)
    repository.refused("MB long", "sums.jsonl")


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b'\n{"a": 1}\n\n{"a": 2}')
    assert read_items(path, "items.jsonl").lines == (2, 4)
    assert (SHIPPED / "rules/suites/regression/regression.yaml").is_file()
