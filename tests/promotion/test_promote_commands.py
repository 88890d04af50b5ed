"""`gate promote`, `approve` and `models` as they are typed: exit codes, outputs, and what people read."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from gate.cli import gate as command
from gate.errors import GateError, UsageError
from tests.promotion.kit import Shop


@pytest.fixture
def typed(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Types a command as somebody; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATE_KEYS", str(shop.people.keys))
    monkeypatch.setenv("GATE_TRUST", str(shop.people.trust_file))

    def run(line: str, key: str | None = None) -> int:
        arguments = [*line.split(), *(["--key", key] if key else [])]
        try:
            found = command.main(arguments, standalone_mode=False)
        except click.exceptions.Exit as end:
            return end.exit_code
        assert isinstance(found, int)
        return found

    return run


def test_the_whole_way_as_it_is_typed(shop: Shop, typed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop.scored(shop.training)
    promote = f"promote first --first --policy {shop.policy}"
    assert typed(f"{promote} --output html=report.html --output json=report.json", "ana") == 3
    said = capsys.readouterr().err
    assert "PROMOTE  first" in said
    assert "gate approve" in said
    document = json.loads((tmp_path / "report.json").read_bytes())
    assert (document["schema"], document["verdict"]) == ("gate.promotion/1", "pass")
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert typed("approve first --yes", "ben") == 0
    capsys.readouterr()
    assert typed("promote first --output json", "ana") == 0  # by the policy that it was approved by
    found = capsys.readouterr()
    assert json.loads(found.out)["verdict"] == "pass"
    assert "first is champion number 1" in found.err
    assert typed("models ls --output json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["schema"], listed["models"][0]["state"]) == ("gate.models/1", "champion")
    assert typed("models show champion") == 0
    assert "CHAMPION  first" in capsys.readouterr().out
    assert typed("models show champion --output html=again.html") == 0
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "report.html").read_bytes()
    assert typed("models compare tiny-base first") == 0
    assert "regression/faq" in capsys.readouterr().out
    assert typed("verify champion --quiet") == 0
    with pytest.raises(UsageError, match="no other model that may be used"):
        typed("models rollback --why worse", "ana")


def test_what_is_wrong_is_told_before_anything_is_judged(shop: Shop, typed) -> None:
    shop.scored(shop.training)
    for line, said in (
        ("promote nobody --first", "there is no model 'nobody'"),
        ("promote first --first --policy nosuch", "there is no promotion policy 'nosuch'"),
        ("promote first --first --champion Champion!", "is no name for a dataset or model"),
        ("promote first --first --output pdf=x.pdf", "pdf"),
        ("models show nobody", "there is no model 'nobody'"),
    ):
        with pytest.raises((GateError, click.ClickException), match=said) as refused:
            typed(line, "ana" if line.startswith("promote") else None)
        assert refused.value.exit_code == 2, line


def test_a_base_is_not_promoted(shop: Shop, typed, tiny_base: Path) -> None:
    with pytest.raises(UsageError, match="no training statement about it: only models that gate trained"):
        typed(f"promote {tiny_base} --first", "ana")
