"""rules/plan.yaml: what stands there is what is advised by, a user's own lies on top, and nonsense is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gate.errors import PolicyError
from gate.folders import SHIPPED, Folders
from gate.training.plan_rules import FILE, band, load_plan_rules
from gate.training.recipe import LORA_FAMILY, Recipe
from gate.training.recipe_files import load_recipe


def user(folder: Path, text: str) -> Folders:
    (folder / "rules").mkdir()
    (folder / FILE).write_text(f"version: 1\n{text}", "utf-8")
    return Folders(folder)


def test_every_figure_has_a_source() -> None:
    text = (SHIPPED / FILE).read_text("utf-8")
    for line in text.splitlines():
        stands = re.match(r"\s*- \{.*(below|low|value|memory):", line)
        if stands and "why" not in line and "memory:" not in line and "methods" not in line:
            assert "source" in line, line
    assert re.search(r"\bG[1-5]\b", text)


def test_a_repository_says_only_what_differs(tmp_path: Path) -> None:
    rules = load_plan_rules(user(tmp_path, "decision:\n  prompts_suffice: {value: 0.8, source: ours}\n"))
    assert rules.decision.prompts_suffice.value == 0.8
    assert rules.decision.gain == load_plan_rules(Folders()).decision.gain


def test_a_list_is_taken_as_a_whole(tmp_path: Path) -> None:
    text = (
        "sizes:\n  - {below: 1.0e+9, name: small, use: here, source: us}\n  - {name: large, use: there, source: us}\n"
    )
    rules = load_plan_rules(user(tmp_path, text))
    assert [band(rules.sizes, each).name for each in (1e6, 1e9)] == ["small", "large"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("decison: {}\n", "did you mean 'decision'"),
        ("decision:\n  gain: {value: much, source: G2}\n", "decision.gain.value"),
        ("decision:\n  prompts_suffice: {value: 0.9}\n  gain: {values: 1}\n", "did you mean 'value'"),
        ("sizes:\n  - {below: 5, name: a, use: b, source: c}\n", "do not cover every number"),
        (
            "sizes:\n  - {below: 5, name: a, use: b, source: c}\n  - {below: 3, name: a, use: b, source: c}\n"
            "  - {name: a, use: b, source: c}\n",
            "do not cover every number",
        ),
        ("licences: {mit: yes}\n", "licences"),
    ],
)
def test_nonsense_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=re.escape(said)) as refused:
        load_plan_rules(user(tmp_path, text))
    assert "plan.yaml:" in str(refused.value)


def test_the_shipped_recipes_are_what_a_plan_would_choose_at_their_size() -> None:
    """A recipe that its own planner would change at once is a mistake in one of the two."""
    rules = load_plan_rules(Folders()).settings
    lora = load_recipe("lora", Folders()).recipe
    assert isinstance(lora, Recipe)
    assert lora.method in LORA_FAMILY
    assert lora.lr == rules.lr_lora.value
    assert lora.rank == band(rules.rank.choose, 2000).value
    assert lora.alpha == rules.alpha.times_rank * lora.rank
    assert lora.epochs == band(rules.epochs.choose, 2000).value
    assert lora.batch == band(rules.batch.choose, 2000).value
    assert lora.warmup == rules.warmup.value
