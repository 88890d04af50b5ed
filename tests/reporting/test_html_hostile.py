"""Text of a dataset cannot do anything in the report: a real browser opens a page full of attempts."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import html as lxml_html

from gate.admission.result import AdmissionResult
from gate.reporting.html import to_html

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
        console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
        return done.stdout, console

    return run


def title(dom: str) -> str:
    return lxml_html.fromstring(dom).findtext(".//title") or ""


def test_the_browser_would_show_it_if_something_ran(browse: Browse, make: type) -> None:
    dom, _ = browse(f"<title>calm</title><body><script>0{make.hostile}")
    assert title(dom) == "PWNED"


def test_the_browser_would_show_a_violation(browse: Browse) -> None:
    page = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\"><p style='color:red'>x</p>"
    _, console = browse(page)
    assert "Content Security Policy" in console


def test_nothing_runs_and_the_policy_has_nothing_to_refuse(browse: Browse, small: AdmissionResult) -> None:
    dom, console = browse(to_html(small))
    assert title(dom).startswith("Fail: data")
    assert console == ""


def test_nothing_runs_even_without_the_policy(browse: Browse, small: AdmissionResult) -> None:
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", to_html(small))
    dom, _ = browse(page)
    assert title(dom).startswith("Fail: data")


def test_the_script_of_the_page_does_run(browse: Browse, small: AdmissionResult) -> None:
    dom, _ = browse(to_html(small))
    tools = lxml_html.fromstring(dom).forms
    assert "hidden" not in tools[0].attrib


def test_search_and_filters_leave_what_matches(browse: Browse, small: AdmissionResult) -> None:
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", to_html(small))
    use = """
      const said = [];
      const choose = (id, value, kind) => {
        const field = document.getElementById(id);
        field.value = value;
        field.dispatchEvent(new Event(kind));
        const rows = [...document.querySelectorAll(".group tbody tr")].filter((row) => row.checkVisibility());
        said.push(rows.length);
      };
      choose("search", "E-MAIL train", "input");
      choose("search", "", "input");
      choose("severity", "warning", "change");
      choose("rule", "rule-1", "change");
      choose("severity", "", "change");
      document.title = said.join(" ");
    """
    dom, _ = browse(page.replace("</body>", f"<script>{use}</script></body>"))
    # One e-mail; then the open group alone; three warnings; none of them in the first group; its two.
    assert title(dom) == "1 2 3 0 2"


def test_it_reads_without_the_script(small: AdmissionResult) -> None:
    tree = lxml_html.fromstring(to_html(small))
    assert "hidden" in tree.forms[0].attrib
    assert not [element for element in tree.iter() if "hidden" in element.attrib and element.tag != "form"]


def test_no_element_or_attribute_comes_from_the_data(small: AdmissionResult) -> None:
    tree = lxml_html.fromstring(to_html(small))
    assert len(tree.findall(".//script")) == 1
    assert not list(tree.iter("img", "iframe", "object", "embed"))
    for element in tree.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), name
            assert name != "style"
            if name in ("href", "src"):
                assert value == "data:," or value.startswith("#"), value


def test_control_and_direction_characters_are_spelled_out(small: AdmissionResult) -> None:
    page = to_html(small)
    assert not re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    assert "&lt;U+202E&gt;" in page
    assert "&lt;U+001B&gt;" in page


def test_nothing_is_remote(small: AdmissionResult) -> None:
    page = to_html(small)
    assert "http://" not in page
    assert "https://" not in page
    assert not re.findall(r"@import|url\(|src\s*=|@font-face", page.replace("onerror", "").replace("img src=x", ""))


def test_the_policy_allows_one_style_and_one_script_only(small: AdmissionResult) -> None:
    tree = lxml_html.fromstring(to_html(small))
    policy = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    assert policy.startswith("default-src 'none'; ")
    assert policy.count("sha256-") == 2
    assert "unsafe" not in policy
    assert "*" not in policy


def test_a_narrow_window_needs_no_sideways_scrolling(browse: Browse, small: AdmissionResult, tmp_path: Path) -> None:
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", to_html(small))
    measure = "const root = document.documentElement; parent.postMessage(root.scrollWidth <= root.clientWidth, '*')"
    opened = page.replace("<details", "<details open").replace("open open", "open")
    opened = opened.replace("</body>", f"<script>{measure}</script></body>")
    (tmp_path / "inner.html").write_text(opened, encoding="utf-8")
    dom, _ = browse(
        "<title>?</title><script>onmessage = (event) => { document.title = event.data }</script>"
        '<iframe src="inner.html" width="400" height="800" style="border:0"></iframe>'
    )
    assert title(dom) == "true"
