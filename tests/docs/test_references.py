"""The references are not stale, and nothing that a person may write or meet is missing from them."""

from __future__ import annotations

import json
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import click
import pytest

from gate.admission.result import EXIT_CODES
from gate.checks import BUILT_IN, load
from gate.cli import gate as gate_command
from gate.data.malformed import Reason
from gate.errors import GateError
from gate.folders import Folders
from gate.policy.form import EveryForm, KindsForm, PolicyForm, RuleForm, SettingsForm
from gate.verbs.rules import RECORDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _generator():
    spec = spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["docs_generate"] = module
    spec.loader.exec_module(module)
    return module


generate = _generator()
COMMANDS = dict(generate.walk(gate_command, ("gate",)))


@pytest.fixture(scope="module")
def wanted() -> dict[Path, str]:
    pages: dict[Path, str] = generate.pages()
    return pages


def test_no_generated_page_is_stale(wanted: dict[Path, str]) -> None:
    for path, text in wanted.items():
        assert path.is_file(), f"run `make docs`: {path.name} is missing"
        assert path.read_text("utf-8") == text, f"run `make docs`: {path.name} is stale"


def test_check_fails_on_a_stale_page_and_writes_nothing(
    wanted: dict[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "rules.md"
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "pages", lambda: {page: "new"})
    assert generate.main(["--check"]) == 1
    assert "docs/rules.md is stale" in capsys.readouterr().err
    assert not page.exists()
    assert generate.main([]) == 0
    assert page.read_text() == "new"
    assert generate.main(["--check"]) == 0


def test_every_rule_parameter_code_and_example_is_documented() -> None:
    page = (DOCS / "rules.md").read_text("utf-8")
    for name in BUILT_IN:
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        check = load(name)
        for word in (*check.params.model_fields, *check.codes):
            assert f"`{word}`" in section, (name, word)
        for record in (*check.fails[:RECORDS], *check.passes[:RECORDS]):
            assert json.dumps(record, ensure_ascii=False) in section


def test_every_shipped_policy_is_documented() -> None:
    page = (DOCS / "rules.md").read_text("utf-8")
    for name in Folders().names("rules/admission", ".yaml"):
        assert f"rules/admission/{name}.yaml" in page


def test_every_reason_for_a_malformed_row_is_documented() -> None:
    page = (DOCS / "rules.md").read_text("utf-8")
    for reason in Reason:
        assert f"| `{reason.value}` | " in page


def test_every_command_and_option_is_documented() -> None:
    page = (DOCS / "commands.md").read_text("utf-8")
    assert {("gate", "check"), ("gate", "rules"), ("gate", "rules", "explain")} <= set(COMMANDS)
    for path, command in COMMANDS.items():
        section = page.split(f"\n## `{' '.join(path)}`\n")[1].split("\n## ")[0]
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert option in section, (path, option)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_shows_an_example(path: tuple[str, ...]) -> None:
    shown = generate.examples(COMMANDS[path])
    assert shown
    assert any(" ".join(path) in line for line in shown)


def test_every_exit_code_is_documented() -> None:
    source = (ROOT / "gate" / "cli" / "__init__.py").read_text("utf-8")
    written = {int(code) for code in re.findall(r"(?:\bcode = |_end\([^,]+, )(\d+)", source)}
    assert {4, 130, 141, 143} <= written
    raised = {error.exit_code for error in (GateError, *GateError.__subclasses__())}
    assert set(generate.EXIT_CODES) == written | raised | set(EXIT_CODES.values())
    page = (DOCS / "commands.md").read_text("utf-8")
    for code in generate.EXIT_CODES:
        assert f"\n| {code} | " in page


@pytest.mark.parametrize("form", [PolicyForm, RuleForm, EveryForm, SettingsForm, KindsForm])
def test_every_setting_is_documented(form: type) -> None:
    page = (DOCS / "policies.md").read_text("utf-8")
    for name, field in form.model_fields.items():  # type: ignore[attr-defined]
        assert f"`{field.alias or name}`" in page


def test_every_column_setting_is_documented() -> None:
    from dataclasses import fields

    from gate.data.columns import ColumnMap

    page = (DOCS / "policies.md").read_text("utf-8")
    for field in fields(ColumnMap):
        assert f"`{field.name}`" in page.split("## Columns")[1]


def test_the_examples_of_the_page_on_policies_are_valid(tmp_path: Path) -> None:
    from contextlib import suppress

    from gate.admission.bind import bind
    from gate.errors import MissingDependency
    from gate.policy.load import load_policy, validated
    from gate.policy.yaml_file import read_yaml

    page = (DOCS / "policies.md").read_text("utf-8")
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "version:" in block]
    assert len(blocks) == 4
    for block in blocks:
        if "extends:" in block:
            path = tmp_path / "rules" / "admission" / "chat.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
            with suppress(MissingDependency):  # a page may name a model that is not here
                assert bind({"chat": load_policy("chat", Folders(tmp_path), kind="chat")})
        else:
            (tmp_path / "gate.yaml").write_text(block)
            assert validated(SettingsForm, read_yaml(tmp_path / "gate.yaml", "gate.yaml")).columns


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in ("rules.md", "commands.md", "policies.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (DOCS / page).read_text("utf-8")):
            assert (DOCS / target).exists(), f"{page}: {target}"
