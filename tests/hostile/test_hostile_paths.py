"""No path in a dataset leads out of the folder that was named, and no name of a file is more than a name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from gate.data.frame import Dataset
from gate.data.read import read
from gate.errors import GateError
from gate.reporting.outputs import FORMATS, Output, write

SECRET = "what nobody asked for"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "rows.jsonl").write_text(json.dumps({"text": SECRET}) + "\n")
    with pa.ipc.new_stream(folder / "data.arrow", pa.schema([("text", pa.string())])) as writer:
        writer.write_table(pa.table({"text": [SECRET]}))
    return folder


@pytest.fixture
def data(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "own.jsonl").write_text('{"text": "our own"}\n')
    return folder


def says_nothing_of_it(dataset: Dataset) -> None:
    assert SECRET not in str(dataset.examples.to_dicts())
    assert SECRET not in str(dataset.malformed.to_dicts())


@pytest.mark.parametrize("how", ["file", "folder", "chain", "relative", "hard to see", "of the root"])
def test_a_link_that_leads_out_is_told_and_not_followed(data: Path, outside: Path, how: str) -> None:
    if how == "file":
        (data / "a.jsonl").symlink_to(outside / "rows.jsonl")
    elif how == "folder":
        (data / "deep").symlink_to(outside)
    elif how == "chain":
        (data / "b.jsonl").symlink_to(outside / "rows.jsonl")
        (data / "a.jsonl").symlink_to(data / "b.jsonl")
    elif how == "relative":
        (data / "a.jsonl").symlink_to("../outside/rows.jsonl")
    elif how == "hard to see":
        (data / "in").mkdir()
        (data / "in" / "a.jsonl").symlink_to("../in/../../outside/rows.jsonl")
    else:
        (data / "a").symlink_to("/")
    dataset = read([data])
    assert "outside_folder" in dataset.malformed["reason"].to_list()
    assert dataset.examples.height == 1
    says_nothing_of_it(dataset)


@pytest.mark.parametrize(
    "name",
    ["../outside/data.arrow", "/etc/hostname", "..", ".", "a\x00.arrow", "a\n.arrow", "x/../../outside/data.arrow", ""],
)
def test_the_index_of_a_saved_dataset_names_files_of_its_own_folder_only(data: Path, outside: Path, name: str) -> None:
    for written in (name, str(outside / "data.arrow") if name.startswith("..") else name):
        (data / "state.json").write_text(json.dumps({"_data_files": [{"filename": written}]}))
        try:
            dataset = read([data])
        except GateError:
            continue
        says_nothing_of_it(dataset)
        assert not dataset.malformed.is_empty(), "a file that is listed and not read is told"


@pytest.mark.parametrize("value", [7, None, ["a"], {"filename": ["a"]}, {"filename": None}])
def test_an_index_of_another_form_is_none(data: Path, value: object) -> None:
    (data / "state.json").write_text(json.dumps({"_data_files": [value] if not isinstance(value, list) else value}))
    assert read([data]).examples.height == 1


def test_loops_of_links_end(data: Path) -> None:
    (data / "a").symlink_to(data)
    (data / "b").symlink_to("b")
    (data / "c").symlink_to("d")
    (data / "d").symlink_to("c")
    (data / "deep").mkdir()
    (data / "deep" / "up").symlink_to("..")
    assert read([data]).examples.height == 1


@pytest.mark.skipif(os.name != "posix", reason="these are names on POSIX only")
@pytest.mark.parametrize(
    "name", [b"a\nb.jsonl", b"\x1b[31ma.jsonl", b"a\xff.jsonl", b"-rf.jsonl", b"::error::a.jsonl", b"<b>.jsonl"]
)
def test_a_name_of_any_bytes_is_read_and_does_nothing_in_a_report(judge, tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with open(os.path.join(os.fsencode(folder), name), "wb") as file:  # noqa: PTH118, PTH123 - bytes are no Path
        file.write(b'{"text": ""}\n{broken\n')
    result = judge(folder, select="structure", cache=False)
    assert result.verdict == "fail"
    assert sum(file.rows for file in result.dataset.files) == 2
    for form in FORMATS:
        write(result, Output(form, tmp_path / f"report.{form}"))
    assert b"\x1b[31m" not in (tmp_path / "report.github").read_bytes()
    assert all(
        line.startswith("::") or not line.lstrip().startswith("::error::a")
        for line in (tmp_path / "report.github").read_text("utf-8").splitlines()
    )
    assert "<b>.jsonl" not in (tmp_path / "report.html").read_text("utf-8")


def test_special_files_are_passed_over(data: Path) -> None:
    os.mkfifo(data / "pipe.jsonl")
    (data / "device.jsonl").symlink_to("/dev/zero")
    dataset = read([data])
    assert dataset.examples.height == 1
    assert "pipe.jsonl" in [skipped.path for skipped in dataset.skipped]


def test_a_card_that_is_a_link_out_is_not_read(judge, data: Path, outside: Path) -> None:
    (outside / "README.md").write_text(f"---\nlicense: {SECRET}\n---\n")
    (data / "README.md").symlink_to(outside / "README.md")
    result = judge(data, select="card", cache=False)
    assert result.dataset.cards == {}


def test_a_name_as_long_as_any_and_a_folder_as_deep_as_any(data: Path) -> None:
    deep = data
    for _ in range(60):
        deep = deep / ("d" * 20)
    deep.mkdir(parents=True)
    (deep / ("n" * 249 + ".jsonl")).write_text('{"text": "deep"}\n')
    assert read([data]).examples.height == 2
    shutil.rmtree(data / ("d" * 20))


POLICY = "version: 1\nname: loose\nrules:\n  - {id: size, check: size, severity: info, remedy: review, why: loose}\n"


@pytest.fixture
def repository(tmp_path: Path, outside: Path) -> Path:
    """A repository of data with settings, and beside it a policy, a lexicon and rows that are none of its own."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "data" / "own.jsonl").write_text('{"text": "our own"}\n')
    (root / "rules" / "admission").mkdir(parents=True)
    (root / "rules" / "lexicons").mkdir()
    (root / "gate.yaml").write_text("version: 1\n")
    (outside / "loose.yaml").write_text("version: 1\nname: loose\nextends: base\nevery: {tolerate: 99%}\n")
    (outside / "words.txt").write_text("[insult]\nours\n")
    return root


@pytest.mark.parametrize(
    "files",
    [
        {"gate.yaml": "version: 1\npolicy: ../outside/loose.yaml\n"},
        {"gate.yaml": "version: 1\npolicy: {OUTSIDE}/loose.yaml\n"},
        {"rules/admission/text.yaml": "version: 1\nextends: ../../../outside/loose.yaml\n"},
        {"rules/admission/text.yaml": "version: 1\nextends: {OUTSIDE}/loose.yaml\n"},
        {"rules/admission/text.yaml": "-> loose.yaml"},
        {"rules/lexicons/toxicity.txt": "-> words.txt"},
    ],
    ids=[
        "settings",
        "settings, absolute",
        "extends",
        "extends, absolute",
        "a policy that is a link",
        "a lexicon that is a link",
    ],
)
def test_no_path_in_a_policy_leads_out_of_the_repository(
    judge, repository: Path, outside: Path, files: dict[str, str]
) -> None:
    for name, content in files.items():
        if content.startswith("-> "):
            (repository / name).symlink_to(outside / content.removeprefix("-> "))
        else:
            (repository / name).write_text(content.replace("{OUTSIDE}", str(outside)))
    with pytest.raises(GateError, match=r"out of|outside"):
        judge(repository / "data", select="toxicity" if "lexicons" in str(files) else "size", cache=False)


@pytest.mark.parametrize("path", ["../outside", "../outside/*.jsonl", "data/../../outside", "{OUTSIDE}"])
def test_no_path_in_the_settings_leads_out_of_the_repository(
    judge, repository: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (repository / "gate.yaml").write_text(f"version: 1\npaths: [{path.replace('{OUTSIDE}', str(outside))}]\n")
    monkeypatch.chdir(repository)
    with pytest.raises(GateError, match=r"out of|outside"):
        judge(select="size", cache=False)


@pytest.mark.parametrize("suite", ["../outside/s.json", "{OUTSIDE}/s.json", "rules/link.json"])
def test_no_suite_is_read_from_elsewhere(judge, repository: Path, outside: Path, suite: str) -> None:
    (outside / "s.json").write_text('{"expectations": []}')
    (repository / "rules" / "link.json").symlink_to(outside / "s.json")
    named = suite.replace("{OUTSIDE}", str(outside))
    rule = f"rules:\n  - id: expectations\n    enabled: true\n    with: {{suite: {named}}}\n"
    (repository / "rules" / "admission" / "text.yaml").write_text(f"version: 1\nextends: base\n{rule}")
    with pytest.raises(GateError, match="out of the folder"):
        judge(repository / "data", select="expectations", cache=False)
