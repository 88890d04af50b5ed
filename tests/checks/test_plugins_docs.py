"""What the page on custom checks shows does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import gate
from gate.verbs.rules import explain

PAGE = (Path(__file__).parents[2] / "docs" / "custom-checks.md").read_text("utf-8")


def block(language: str, holding: str) -> str:
    (text,) = [each for each in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holding in each]
    return str(text)


def test_the_check_and_the_rule_of_the_page_work(tmp_path: Path) -> None:
    for path, text in (
        ("rules/checks/no_shouting.py", block("python", '"no_shouting"')),
        ("rules/admission/chat.yaml", block("yaml", "no_shouting")),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    explained = explain("no_shouting", start=tmp_path)
    records = [*explained.fails, *explained.passes]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    result = gate.check(tmp_path / "data.jsonl", select="no_shouting", cache=False)
    assert result.findings.select("code", "row").rows() == [("shouting", 1)]
    assert result.outcomes[0].status == "warned"


def test_the_check_of_the_page_that_compares_rows_works(tmp_path: Path) -> None:
    (tmp_path / "rules" / "checks").mkdir(parents=True)
    (tmp_path / "rules" / "admission").mkdir()
    imports = (
        "import polars as pl\nfrom gate.checks import Context, Corpus, Frames, Measurement, Params, check, found\n"
    )
    (tmp_path / "rules" / "checks" / "same.py").write_text(imports + block("python", '"same_prompt"'))
    rule = "{id: same_prompt, check: same_prompt, severity: error, remedy: review, why: We asked for it (us).}"
    (tmp_path / "rules" / "admission" / "chat.yaml").write_text(f"version: 1\nextends: chat\nrules: [{rule}]\n")
    rows = [{"prompt": prompt, "completion": str(at)} for at, prompt in enumerate(("a", "b", "a"))]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = gate.check(tmp_path / "data.jsonl", select="same_prompt", cache=False)
    assert result.findings["row"].to_list() == [1, 3]
