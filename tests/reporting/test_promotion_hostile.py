"""What a model says, and what a test row holds, can do nothing in any form of a promotion's report."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import html as lxml_html
from rich.console import Console

from gate.promotion.decided import CriterionChange, Decided
from gate.reporting.promotion_ci import promotion_github, promotion_junit
from gate.reporting.promotion_json import promotion_bytes
from gate.reporting.promotion_markdown import LIMIT, to_promotion_markdown
from gate.reporting.promotion_page import LARGEST, to_promotion_html
from gate.reporting.promotion_terminal import write_promotion
from gate.reporting.promotion_told import Mark, Told
from tests.reporting import promotion_made as promotions
from tests.reporting.promotion_made import FORGOT, Made

HOSTILE = (
    "</script><script>document.title='PWNED'</script><img src=x onerror=\"document.title='PWNED'\">"
    "<a href=\"javascript:document.title='PWNED'\">x</a> {{ 7*7 }} [red]x[/red] ![i](http://evil.example/x.png) "
    "@everyone \x1b[31m\x1b]0;PWNED\x07 \u202egnp.exe \x00 \u2066x | ``` | \r\n::error::PWNED"
)
HUGE = "A" * 1_000_000
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def hostile(place: Made) -> Decided:
    """A decision in which models, items, reasons and names try everything."""
    says = {
        "support_replies": lambda n, right: f"{HOSTILE} {n}" if n % 2 else HUGE,
        "arithmetic": lambda n, right: f"{HOSTILE} {right} {HUGE[:3000]}",
    }
    base = {"arithmetic": lambda n, right: f"{HOSTILE} {HUGE}"}
    found = promotions.decided(place, FORGOT, says=says, base_says=base)
    return replace(
        found,
        reasons=(HOSTILE,),
        would_change=(HOSTILE,),
        warnings=(HOSTILE,),
        criteria_changes=(CriterionChange(HOSTILE, HOSTILE, HOSTILE),),
        others=({"name": HOSTILE, "model": "x", "verdict": "pass", "made": "", "learned": 0.1, "forgotten": 0.2},),
        candidate=replace(found.candidate, name=HOSTILE),
        outcomes=tuple(replace(one, why=HOSTILE, settles=HOSTILE, place=HOSTILE) for one in found.outcomes),
    )


@pytest.fixture(scope="module")
def marked(hostile: Decided) -> Told:
    """Marks that try it too, and a preview that nobody signed."""
    mark = Mark(_some_id(hostile), "bad", HOSTILE, HOSTILE)
    preview = {"examples": [{"id": HOSTILE, "kind": HOSTILE, "sequences": [
        {"name": HOSTILE, "tokens": [{"text": HOSTILE, "learned": True}], "learned": 1}]}]}  # fmt: skip
    return Told(marks=(mark,), preview=preview, left_out={HOSTILE: 3}, approvers=(HOSTILE,), notes=(HOSTILE,))


def _some_id(decided: Decided) -> str:
    from gate.reporting.promotion_items import outputs

    return str(outputs(decided.candidate.evaluations, decided.base.evaluations, decided.candidate.model)["id"][0])


@pytest.fixture(scope="module")
def page(hostile: Decided, marked: Told) -> str:
    return to_promotion_html(hostile, marked)


def test_no_element_or_attribute_comes_from_a_model(page: str) -> None:
    tree = lxml_html.fromstring(page)
    assert len(tree.findall(".//script")) == 1
    assert not list(tree.iter("img", "iframe", "object", "embed"))
    for element in tree.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), name
            assert name != "style"
            if name in ("href", "src"):
                assert value == "data:," or value.startswith("#"), value
    assert "<script>document.title='PWNED'</script>" in tree.text_content()


def test_control_and_direction_characters_are_spelled_out(page: str) -> None:
    assert not CONTROL.findall(page)
    for said in ("&lt;U+202E&gt;", "&lt;U+001B&gt;", "&lt;U+0000&gt;", "&lt;U+2066&gt;"):
        assert said in page


def test_templates_of_a_text_are_not_run(page: str) -> None:
    assert "{{ 7*7 }}" in page
    assert "49 [red]" not in page


def test_a_huge_text_is_cut_and_that_is_said(page: str) -> None:
    assert "A" * 3_000 not in page
    assert "more characters are not shown" in page
    assert len(page.encode()) < LARGEST


def test_a_page_that_would_be_too_large_shows_less_and_says_so(
    hostile: Decided, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = len(page.encode()) * 2 // 3
    monkeypatch.setattr("gate.reporting.promotion_page.LARGEST", bound)
    smaller = to_promotion_html(hostile)
    assert len(smaller.encode()) <= bound
    (note,) = re.findall(r"(\d+) of (\d+) items on which the candidate did otherwise", smaller)
    assert int(note[0]) < int(note[1])


def test_nothing_is_remote(page: str) -> None:
    without = page.replace("http://evil.example/x.png", "")
    assert not re.findall(r"https?://|@import|url\(|@font-face", without)


def test_the_policy_allows_one_style_and_one_script_only(page: str) -> None:
    policy = lxml_html.fromstring(page).xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none'; ")
    assert policy.count("sha256-") == 2
    assert "unsafe" not in policy


def test_json_holds_no_control_character_and_nothing_huge(hostile: Decided, marked: Told) -> None:
    content = promotion_bytes(hostile, marked)
    said = json.loads(content)

    def texts(value: object) -> list[str]:
        if isinstance(value, dict):
            return [each for one in value.values() for each in texts(one)] + [str(each) for each in value]
        if isinstance(value, list):
            return [each for one in value for each in texts(one)]
        return [value] if isinstance(value, str) else []

    every = texts(said)
    assert max(map(len, every)) < 10_000
    assert not [each for each in every if CONTROL.search(each)]
    assert any("<U+202E>" in each for each in every)


def test_markdown_has_no_link_image_mention_or_html(hostile: Decided, marked: Told) -> None:
    text = to_promotion_markdown(hostile, marked)
    assert len(text.encode()) <= LIMIT
    assert not CONTROL.findall(text)
    # Outside of code spans nothing of it is left.
    marker, _, rest = text.partition("\n")
    assert re.fullmatch(r"<!-- gate:promotion:[\w.-]+ -->", marker)
    plain = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", rest)
    assert "PWNED" not in plain
    assert "evil.example" not in plain
    assert "@everyone" not in plain


def test_a_terminal_gets_no_escape_and_no_markup(hostile: Decided, marked: Told) -> None:
    stream = io.StringIO()
    write_promotion(Console(file=stream, width=200, force_terminal=True, color_system=None), hostile, marked)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())  # rich's own
    assert not CONTROL.findall(shown)
    assert "[red]x[/red]" in shown


def test_junit_is_xml_whatever_was_said(hostile: Decided) -> None:
    document = promotion_junit(hostile)
    root = ElementTree.fromstring(document)
    assert root.find(".//failure") is not None
    assert not CONTROL.findall(document.decode())


def test_github_commands_are_gates_own(hostile: Decided) -> None:
    lines = promotion_github(hostile).splitlines()
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)
    assert not [line for line in lines if line.startswith("::error::")]


def test_personal_data_and_secrets_are_masked(place: Made) -> None:
    secret, mail = "AKIA4XQ7ZP2LM9TR6WBD", "maria.oliveira@contoso-mail.net"
    says = {"arithmetic": lambda n, right: f"write to {mail} with {secret}"}
    found = promotions.decided(place, FORGOT, says=says)
    for content in (to_promotion_html(found), promotion_bytes(found).decode()):
        assert secret not in content
        assert mail not in content
        assert "write to" in content


Browse = Callable[[str], tuple[str, str]]


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Browse:
    """Opens a page and gives back its DOM and what the browser wrote to its console."""

    def run(page: str) -> tuple[str, str]:
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=2000"]
        done = subprocess.run(
            [chromium, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if not done.stdout.strip():
            pytest.skip(f"Chromium does not run here: {done.stderr[-300:]}")
        return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)

    return run


def title(dom: str) -> str:
    return lxml_html.fromstring(dom).findtext(".//title") or ""


def without_policy(page: str) -> str:
    return re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)


def test_nothing_runs_in_a_browser_and_the_policy_has_nothing_to_refuse(browse: Browse, page: str) -> None:
    dom, console = browse(page)
    assert title(dom).startswith("Do not promote")
    assert console == ""
    assert title(browse(without_policy(page))[0]).startswith("Do not promote")


def test_filters_leave_what_matches(browse: Browse, failed: Decided) -> None:
    page = without_policy(to_promotion_html(failed))
    use = """
      const said = [];
      const choose = (id, value, kind) => {
        const field = document.getElementById(id);
        field.value = value;
        field.dispatchEvent(new Event(kind));
        said.push([...document.querySelectorAll("#changed .item")].filter((item) => item.checkVisibility()).length);
      };
      choose("by-change", "lost", "change");
      choose("by-task", "0", "change");
      choose("by-slice", "1", "change");
      choose("search", "What is 1 plus 8?", "input");
      choose("search", "no such words", "input");
      document.title = said.join(" ") + "/" + document.querySelectorAll("#changed .item").length;
    """
    dom, _ = browse(page.replace("</body>", f"<script>{use}</script></body>"))
    counts, total = title(dom).split("/")
    lost, task, slice_, one, none = map(int, counts.split())
    assert int(total) > lost > task > slice_ >= one >= none == 0
    assert one == 1 or slice_ > one


def test_a_narrow_window_needs_no_sideways_scrolling(browse: Browse, page: str, tmp_path: Path) -> None:
    measure = "const root = document.documentElement; parent.postMessage(root.scrollWidth <= root.clientWidth, '*')"
    opened = without_policy(page).replace("<details", "<details open").replace("open open", "open")
    (tmp_path / "inner.html").write_text(opened.replace("</body>", f"<script>{measure}</script></body>"), "utf-8")
    dom, _ = browse(
        "<title>?</title><script>onmessage = (event) => { document.title = event.data }</script>"
        '<iframe src="inner.html" width="400" height="800" style="border:0"></iframe>'
    )
    assert title(dom) == "true"
