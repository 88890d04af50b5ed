"""A plan as a page, in a terminal and as JSON: the same figures, and nothing that a name could do."""

from __future__ import annotations

import html
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from gate.reporting.plan_json import document, plan_schema, to_json
from gate.reporting.plan_page import to_html
from gate.reporting.plan_terminal import render_plan
from gate.reporting.plan_words import duration, heading, size
from gate.training.plan import Plan
from gate.verbs.plan import Task
from gate.verbs.plan import plan as make
from tests.snapshots.made import make_people
from tests.training.plan_made import seven_billion, small_store

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert(1)</script>\u202e[red]x\x1b[31m"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan for a base whose folder and licence try to do something."""
    folder = tmp_path_factory.mktemp("plan")
    people = make_people(folder)
    base = seven_billion(folder / HOSTILE.replace("/", "∕"), licence="<b>mine</b>\u202e")
    return make(
        "sums",
        base,
        device="rtx4090",
        task=Task(prompt_baseline=0.5, expected=0.8, goal="reasoning", hours=40, rate=100, compute=500, prompt_hours=4),
        store=small_store(folder, people),
        trust=people.trust,
    )


def text_of(page: str) -> str:
    """What a person reads on it."""
    words = re.sub(r"<(style|title)>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(words).split())


def printed(plan: Plan, width: int) -> str:
    stream = io.StringIO()
    render_plan(plan, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_page_and_terminal_tell_the_same(plan: Plan) -> None:
    page, terminal = text_of(to_html(plan)), " ".join(printed(plan, 400).split())
    for words in (
        plan.verdict.sentence[1:], plan.chosen.why, size(plan.option.memory.total), f"{plan.lengths.examples:,}",
        "11.2 times as much", "G2: LoRA 1e-5", plan.snapshot[:12],
    ):  # fmt: skip
        assert words in page, words
        assert words in terminal, words
    for step in plan.verdict.steps:
        assert step.question in page
        assert step.question in terminal
    for setting in plan.settings:
        assert setting.key in page
        assert setting.why in page


def test_every_guide_that_disagrees_is_named(plan: Plan) -> None:
    page = text_of(to_html(plan))
    disagreeing = [each for setting in plan.settings for each in setting.guides if each.agrees is False]
    assert len(disagreeing) >= 3
    assert all(f"{each.source}: {each.said}" in page for each in disagreeing)
    assert all(guide.said in page for guide in plan.chosen.guides)


def test_the_page_loads_nothing_and_runs_nothing(plan: Plan) -> None:
    page = to_html(plan)
    assert "default-src 'none'" in html.unescape(page)
    assert not re.search(r"<(script|iframe|object|embed|form)\b", page)
    assert not re.search(r"(src|href)=\"(?!#|data:,)", page)
    assert len(page.encode()) < 100_000


def test_names_do_nothing(plan: Plan) -> None:
    page = to_html(plan)
    assert "<script>alert" not in page
    assert "<b>mine" not in page
    assert "\u202e" not in page
    terminal = printed(plan, 120)
    assert "\x1b" not in terminal
    assert "\u202e" not in terminal
    assert "[red]x" in terminal  # no markup of rich's either


def test_it_reads_at_80_columns(plan: Plan) -> None:
    *lines, command = printed(plan, 80).rstrip().splitlines()
    assert max(map(len, lines)) <= 80
    assert command.startswith("to train so: gate train")


def test_json_follows_its_schema_which_is_published(plan: Plan) -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator(plan_schema()).validate(json.loads(to_json(plan)))
    published = ROOT / "docs" / "schemas" / "plan.json"
    assert json.loads(published.read_text("utf-8")) == plan_schema(), "write docs/schemas/plan.json anew"
    assert document(plan)["exit_code"] == plan.exit_code


def test_the_page_of_documentation_tells_every_flag_and_key() -> None:
    from gate.cli.plan import command

    told = (ROOT / "docs" / "plan.md").read_text("utf-8")
    flags = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    common = {"--store", "--trust", "--trust-revision", "--quiet"}
    assert not {flag for flag in flags - common if f"`{flag}" not in told}
    keys = plan_schema()["properties"]
    assert isinstance(keys, dict)
    assert not {key for key in keys if f"`{key}`" not in told}


def test_provisional_advice_is_never_green(plan: Plan) -> None:
    from dataclasses import replace

    verdict = replace(plan.verdict, advice="fine_tune", provisional=True)
    assert heading(replace(plan, verdict=verdict)) == ("MEASURE PROMPTS FIRST", "warned")
    sure = replace(plan, verdict=replace(verdict, provisional=False))
    assert heading(sure) == ("FINE-TUNE", "passed")
    options = tuple(replace(each, fits=False) for each in plan.options)
    assert heading(replace(sure, options=options)) == ("DOES NOT FIT", "failed")
    assert replace(sure, options=options).exit_code == 1


def test_figures_are_written_for_people() -> None:
    assert [size(each) for each in (0, 500, 59_500_000, 1_250_000_000, 120 * 10**9, 1165 * 10**9)] == [
        "0 B", "500 B", "59.5 MB", "1.25 GB", "120 GB", "1,165 GB",
    ]  # fmt: skip
    assert [duration(each) for each in (1, 90, 720, 12_600, 181_000, 10**7)] == [
        "less than a minute", "a minute or two", "12 minutes", "3.5 hours", "2.1 days", "116 days",
    ]  # fmt: skip
