"""A run's page: everything that a reviewer asks of a run stands on it, and nothing that a model says can act."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html

from gate.reporting.run_page import Told, answers, duration, thin, to_run_html
from gate.training.events import Event
from gate.training.history import History, history_of
from gate.training.run_file import BaseModelUse, Run, SnapshotUse
from gate.training.runs import RunState
from tests.training.made import recipe

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202etxet"
DIGEST = "ab" * 32


def event(kind: str, **fields: object) -> Event:
    return Event(kind, 0.0, fields)  # type: ignore[arg-type]


def history(*more: Event) -> History:
    points = [event("step", step=at, steps=40, loss=4 - at / 20, lr=1e-3, grad_norm=1.0) for at in range(1, 41)]
    evaluations = [event("evaluation", step=at, loss=3.5 - at / 40) for at in (10, 20, 30, 40)]
    samples = [
        event("samples", step=at, answers=[{"prompt": HOSTILE, "answer": f"{HOSTILE} {at}"}]) for at in range(0, 41, 5)
    ]
    end = event("end", reason="finished", step=40, best_step=40, seconds=75.2, tokens=1234, peak_memory=2_000_000)
    return history_of([event("parameters", trainable=10, total=1000), *points, *evaluations, *samples, end, *more])


def told(**changes: object) -> Told:
    tokens = [
        {"id": 1, "text": "<|user|>", "learned": False, "special": True},
        {"id": 2, "text": HOSTILE, "learned": False},
        {"id": 3, "text": "yes", "learned": True},
        {"id": 4, "text": "<|end|>", "learned": True, "special": True},
    ]
    book = {"name": "task", "snapshot": DIGEST, "role": "train", "rows": 12, "trained": 9, "dropped": 1, "unseen": 2,
            "truncated": 3, "lost_end": 3, "repeats": 0, "tokens": 4321}  # fmt: skip
    made = {
        "run": Run(
            name="task-lora-1", folder="/runs/task-lora-1", store="/store", recipe=recipe(),
            snapshots=[SnapshotUse(snapshot=DIGEST, name="task", statement=DIGEST, role="train")],
            base=BaseModelUse(path="/base", name="/base", digest=DIGEST, files={}),
        ),
        "state": RunState(
            recipe="lora", recipe_digest=DIGEST, script=DIGEST, script_name="sft.py", script_path="/sft.py",
            launch="one", launch_path="/one.yaml",
        ),
        "stands": "finished",
        "history": history(),
        "accounting": {"closed": True, "max_length": 64, "snapshots": [book], "validation": {"rows": 20}},
        "preview": {
            "template": {"digest": DIGEST, "text": HOSTILE},
            "examples": [
                {"id": DIGEST, "kind": "data", "cut_tokens": 2,
                 "sequences": [{"name": "text", "tokens": tokens, "learned": 2, "left_out": 5}]}
            ],
        },
        "recipe": {"method": "lora", "lr": 0.001},
        "training": None,
    }  # fmt: skip
    return Told(**(made | changes))  # type: ignore[arg-type]


def page(**changes: object) -> html.HtmlElement:
    return html.fromstring(to_run_html(told(**changes)))


def test_nothing_that_is_said_can_act() -> None:
    tree = page(history=history(event("finding", code=HOSTILE, step=3, message=HOSTILE, remedy=HOSTILE)))
    assert not tree.xpath("//body//script | //img | //*[@onerror]")
    assert tree.xpath("//meta[@http-equiv='Content-Security-Policy']")
    assert "<script>alert(1)</script>" in tree.text_content()
    assert "\u202e" not in tree.text_content()


def test_tokens_show_what_is_learned() -> None:
    tree = page()
    shown = tree.xpath("//p[@class='tokens']/span")
    assert [(each.get("class"), [i.text for i in each]) for each in shown if each.get("class") != "gap"] == [
        ("special", ["<|user|>"]), ("read", [HOSTILE.replace("\u202e", "<U+202E>")]), ("learned", ["yes", "<|end|>"]),
    ]  # fmt: skip
    assert "2 of 9 tokens are learned" in tree.text_content()
    assert "[5 more]" in tree.text_content()


def test_the_books_stand_on_it() -> None:
    cells = page().xpath("//section[@id='rows']//td")
    assert [cell.text_content().split()[-1] for cell in cells] == ["train", "12", "9", "1", "2", "3", "3", "0", "4,321"]
    assert "the books are not closed" not in page().text_content()
    assert "the books are not closed" in page(accounting={"closed": False, "snapshots": [{"rows": 1}]}).text_content()


def test_a_chart_for_each_curve_that_was_told_of() -> None:
    titles = page().xpath("//figcaption/text()")
    assert titles == ["Loss", "Learning rate", "Norm of the gradient"]
    assert len(page().xpath("//figure/svg")) == 3


def test_a_run_of_which_next_to_nothing_is_known() -> None:
    tree = page(history=History(), accounting=None, preview=None, stands="failed")
    assert "Failed" in tree.xpath("string(//h1)")
    assert "Nothing is signed" in tree.text_content()
    assert not tree.xpath("//section[@id='curves' or @id='rows' or @id='examples' or @id='answers']")


@pytest.mark.parametrize("preview", [{"examples": "no"}, {"examples": [3]}, {"examples": [{"sequences": [None]}]}, {}])
def test_a_preview_that_is_none_is_left_out(preview: dict[str, object]) -> None:
    assert page(preview=preview) is not None


def test_some_evaluations_answers_the_first_and_the_last_among_them() -> None:
    steps, prompts = answers(history())
    assert steps[0] == 0
    assert steps[-1] == 40
    assert len(steps) == 4
    assert prompts == [(HOSTILE, [f"{HOSTILE} {step}" for step in steps])]


def test_thinned_curves_keep_their_ends() -> None:
    points = [(at, float(at)) for at in range(1000)]
    kept = thin(points, 7)
    assert (len(kept), kept[0], kept[-1]) == (7, points[0], points[-1])
    assert thin(points[:7], 7) == points[:7]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (75, "1 min 15 s"), (7500, "2 h 5 min"), (None, "–")]
)
def test_durations(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_a_users_own_template_is_found_first(tmp_path: Path) -> None:
    from gate.folders import Folders

    own = tmp_path / "reports" / "templates" / "run.html.j2"
    own.parent.mkdir(parents=True)
    own.write_text("<p>{{ told.run.name }}</p>")
    assert to_run_html(told(), Folders(tmp_path)) == "<p>task-lora-1</p>"
