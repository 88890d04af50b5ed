"""Which evaluation sets can be registered, and that one that cannot be read stops everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from gate.checks.base import Context
from gate.checks.contamination import ContaminationParams, contamination
from gate.checks.contamination.items import Item, items, registered
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.load import load_policy

(RULE,) = (rule for rule in load_policy("base", Folders()).rules if rule.id == "contamination")
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10\n"
QUESTION, ANSWER = "Where does the ferry land when the tide is low?", "at the stone pier"
DOCUMENT = {"question": QUESTION, "choices": ["at the mill", ANSWER], "label": 1, "passage": "The stone pier is old."}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "repository").mkdir()
    return tmp_path / "repository"


def put(root: Path, name: str, content: str | bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def task(root: Path, documents: list[Mapping[str, object]] | None = None, **said: object) -> str:
    """A task file with its data, said in JSON (which YAML is)."""
    found = documents if documents is not None else [DOCUMENT]
    put(root, "tasks/data.jsonl", "".join(json.dumps(each) + "\n" for each in found))
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "data.jsonl"}}, "test_split": "test"}
    put(root, "tasks/task.yaml", json.dumps({"task": "ferry", **data, "doc_to_text": "question", **said}))
    return "tasks/task.yaml"


def read_items(root: Path, *names: str) -> tuple[Item, ...]:
    return items(registered(names, Folders(root)))


def only(root: Path, name: str) -> tuple[str, str, str]:
    (item,) = read_items(root, name)
    return item.parts


def warm(root: Path, *names: str) -> None:
    """As `gate check` does before it reads anything."""
    params = ContaminationParams.model_validate(RULE.params | {"evaluations": names})
    contamination.warm(params, Context(workers=cast(Any, None), folders=Folders(root)))


# ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_files_of_any_format_and_shape_are_read(repository: Path) -> None:
    record = {"question": QUESTION, "answer": ANSWER}
    put(repository, "a.jsonl", json.dumps(record))
    put(repository, "b.json", json.dumps([{"instruction": QUESTION, "output": ANSWER}]))
    put(repository, "c.csv", f"prompt,completion\n{QUESTION},{ANSWER}\n")
    pl.DataFrame([record]).write_parquet(repository / "d.parquet")
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    put(repository, "e.jsonl", json.dumps({"messages": [*turns, {"role": "assistant", "content": ANSWER}]}))
    found = read_items(repository, "a.jsonl", "b.json", "c.csv", "d.parquet", "e.jsonl")
    assert {item.parts for item in found} == {(QUESTION, ANSWER, "")}
    assert [(item.evaluation, item.row) for item in found] == [(f"{each}", 1) for each in (
        "a.jsonl", "b.json", "c.csv", "d.parquet", "e.jsonl")]  # fmt: skip


# ── lm-eval tasks ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, (QUESTION, "", DOCUMENT["passage"])),
        ({"doc_to_target": "label", "doc_to_choice": "choices"}, (QUESTION, ANSWER, DOCUMENT["passage"])),
        ({"doc_to_target": "{{choices[label]}}"}, (QUESTION, ANSWER, DOCUMENT["passage"])),
        ({"doc_to_target": 0, "doc_to_choice": ["no", "yes"]}, (QUESTION, "no", DOCUMENT["passage"])),
        ({"doc_to_target": "label", "doc_to_choice": "{{choices}}"}, (QUESTION, "1", DOCUMENT["passage"])),
        ({"doc_to_text": "Text: {{passage}}\nQuestion: {{question.strip()}}\n{% for each in choices %}- {{each}}\n"
          "{% endfor %}Answer:", "doc_to_target": " {{choices[label]}}"}, (QUESTION, ANSWER, DOCUMENT["passage"])),
        ({"doc_to_text": "{{passage}}"}, (DOCUMENT["passage"], "", "")),
    ],
)  # fmt: skip
def test_a_task_says_what_is_asked_answered_and_spoken_of(
    repository: Path, said: dict[str, object], expected: tuple[str, str, str]
) -> None:
    question, answer, passage = only(repository, task(repository, **said))
    assert (" ".join(question.split()), answer.strip(), passage) == expected


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
def test_the_data_of_a_task_may_have_three_formats(repository: Path, kind: str) -> None:
    frame = pl.DataFrame({"question": [QUESTION], "target": [ANSWER]})
    repository.joinpath("tasks").mkdir()
    path = repository / f"tasks/data.{kind}"
    {"json": frame.write_json, "csv": frame.write_csv, "parquet": frame.write_parquet}[kind](path)
    files = {"data_files": f"tasks/data.{kind}"}
    name = task(repository, dataset_path=kind, dataset_kwargs=files, doc_to_target="target")
    assert only(repository, name) == (QUESTION, ANSWER, "")


def test_a_task_includes_another_and_names_its_data_by_an_absolute_path_inside(repository: Path) -> None:
    files = {"data_files": {"test": str(repository / "tasks/data.jsonl")}}
    task(repository, dataset_kwargs=files)
    put(repository, "tasks/child.yaml", "include: task.yaml\ndoc_to_target: '{{choices[label]}}'\n")
    assert only(repository, "tasks/child.yaml")[1] == ANSWER
    (evaluation,) = registered(("tasks/child.yaml",), Folders(repository))
    assert [file.name for file in evaluation.files] == ["child.yaml", "task.yaml", "data.jsonl"]


def test_every_file_that_is_read_is_an_input_and_a_change_in_any_is_seen(repository: Path) -> None:
    params = ContaminationParams.model_validate(RULE.params | {"evaluations": (task(repository),)})
    files = contamination.inputs(params, Folders(repository))
    assert [file.name for file in files] == ["task.yaml", "data.jsonl"]
    before = read_items(repository, "tasks/task.yaml")
    task(repository, [{**DOCUMENT, "question": "What now?"}])
    assert read_items(repository, "tasks/task.yaml") != before


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"dataset_path": "cais/mmlu"}, "does not lie in files beside it"),
        ({"dataset_path": None}, "does not lie in files beside it"),
        ({"dataset_kwargs": {}}, "names no file"),
        ({"dataset_kwargs": {"data_files": {"test": "data.jsonl"}, "field": "rows"}}, "`dataset_kwargs.field`"),
        ({"dataset_kwargs": {"data_files": {"train": "data.jsonl"}}}, "none of its `data_files`"),
        ({"dataset_kwargs": {"data_files": {"test": "none.jsonl"}}}, "there is no such file"),
        ({"dataset_kwargs": {"data_files": {"test": "https://example.com/a.json"}}}, "there is no such file"),
        ({"doc_to_text": None}, "has no `doc_to_text`"),
        ({"doc_to_text": ["question"]}, "neither a column nor a template"),
        ({"doc_to_text": "quesion"}, "names a column that it does not have"),
        ({"doc_to_text": "{{quesion}}"}, "does not fit it"),
        ({"doc_to_text": "{{question"}, "not a template"),
        ({"process_docs": "x"}, "`process_docs` names code"),
        ({"include": "task.yaml"}, "does a file include itself"),
        ({"include": "../../secret.yaml"}, "there is no such file"),
    ],
)
def test_a_task_that_cannot_be_read_is_a_policy_error(repository: Path, said: dict[str, object], expected: str) -> None:
    name = task(repository, **said)
    with pytest.raises(PolicyError, match=expected) as caught:
        warm(repository, name)
    assert name in str(caught.value)
    assert caught.value.where == "with.evaluations"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ question.__init__.__globals__ }}",
        "{{ range(10) }}",
        "{{ question * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ question.center(1000000000) }}",
        "{{ question|center(1000000000) }}",
        "{% for a in question %}{% for b in question %}x{% endfor %}{% endfor %}",
        "{% set a = question ~ question %}{{ a }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
        "{{ lipsum() }}",
        "{{ lipsum }}",
    ],
)
def test_a_template_runs_no_code_and_makes_no_more_of_a_document_than_there_is(repository: Path, source: str) -> None:
    with pytest.raises(PolicyError):
        warm(repository, task(repository, doc_to_text=source))


@pytest.mark.parametrize(
    "yaml",
    [
        "doc_to_text: !function utils.text\n",
        "!!python/object/apply:os.system ['true']\n",
        "- a\n- b\n",
        "a: [b\n",
        "1: 2\n",
        "\x00",
        LFS,
        "include: [1]\n",
    ],
)
def test_a_task_file_never_runs_code_and_has_to_be_one(repository: Path, yaml: str) -> None:
    put(repository, "task.yaml", yaml)
    with pytest.raises(PolicyError, match=r"task\.yaml"):
        warm(repository, "task.yaml")


# ── fail closed ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.jsonl", ""),
        ("blank.jsonl", "\n\n"),
        ("none.json", "[]"),
        ("pointer.jsonl", LFS),
        ("pointer.parquet", LFS),
        ("broken.jsonl", '{"question": "Why?", "answer": "So."}\n{"question": \n'),
        ("damaged.parquet", "PAR1 and no more"),
        ("unknown.jsonl", '{"a": 1}'),
        ("wordless.jsonl", '{"question": "?!", "answer": "…"}'),
    ],
)
def test_a_registered_file_that_holds_no_items_is_a_policy_error(repository: Path, name: str, content: str) -> None:
    put(repository, name, content)
    with pytest.raises(PolicyError, match=name) as caught:
        warm(repository, name)
    assert caught.value.where == "with.evaluations"
    assert caught.value.remedy


@pytest.mark.parametrize("content", ["", "[]", LFS, "{", "[1]", "\x00"])
def test_the_data_of_a_task_is_held_to_the_same(repository: Path, content: str) -> None:
    name = task(repository)
    put(repository, "tasks/data.jsonl", content)
    with pytest.raises(PolicyError, match=r"data\.jsonl"):
        warm(repository, name)


def test_a_path_never_leaves_the_repository(repository: Path, tmp_path: Path) -> None:
    outside = put(tmp_path, "outside.jsonl", json.dumps({"question": QUESTION, "answer": ANSWER}))
    (repository / "link.jsonl").symlink_to(outside)
    (repository / "folder").symlink_to(tmp_path)
    (repository / "loop.jsonl").symlink_to("loop.jsonl")
    (repository / "sub").mkdir()
    inside = put(repository, "inside.jsonl", json.dumps({"question": QUESTION, "answer": ANSWER}))
    names = [
        str(inside), str(outside), "../outside.jsonl", "sub/../../outside.jsonl", "link.jsonl", "folder/outside.jsonl",
        "loop.jsonl", "sub", "none.jsonl", "C:\\outside.jsonl", "", "a\x00b",
    ]  # fmt: skip
    for name in names:
        with pytest.raises(PolicyError):
            warm(repository, name)
    with pytest.raises(PolicyError, match="outside the repository"):
        warm(repository, task(repository, dataset_kwargs={"data_files": str(outside)}))


def test_links_and_dots_that_stay_inside_are_fine(repository: Path) -> None:
    put(repository, "real.jsonl", json.dumps({"question": QUESTION, "answer": ANSWER}))
    (repository / "sub").mkdir()
    (repository / "sub/link.jsonl").symlink_to("../real.jsonl")
    assert len(read_items(repository, "sub/link.jsonl", "sub/../real.jsonl")) == 2


def test_no_message_quotes_the_data(repository: Path) -> None:
    secret = "hunter2-in-the-data"
    for content in (f'{{"question": "{secret}"', f'{{"{secret}": 1}}', f'{{"question": ["{secret}"], "answer": 1}}'):
        put(repository, "set.jsonl", content)
        with pytest.raises(PolicyError) as caught:
            warm(repository, "set.jsonl")
        assert "hunter2" not in str(caught.value) or f'"{secret}": 1' in content  # a column's name may be told
    with pytest.raises(PolicyError) as caught:
        warm(repository, task(repository, [{"question": secret}], doc_to_text="{{question.nothing.at_all}}"))
    assert "hunter2" not in str(caught.value)
