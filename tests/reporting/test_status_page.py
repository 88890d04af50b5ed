"""How a snapshot stands now, as a page: what was said and counts, what does not, and what would change it."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gate.errors import GateError
from gate.folders import Folders
from gate.provenance.envelope import Envelope
from gate.provenance.standing import Standing
from gate.provenance.statements import (
    About,
    Admission,
    Approval,
    Erasure,
    Rejection,
    Review,
    Revocation,
    Statement,
    Waiver,
)
from gate.provenance.trust import Demand, Trust
from gate.reporting.status_page import status_page, to_status_html

AT = "2026-11-25T10:00:00.000000Z"
TRUST = Trust("trust.yaml", "7" * 64, {}, {"snapshot": Demand(1, ("reviewer",), by_author=False)})
HOSTILE = "<script>document.title='PWNED'</script>\u202e\x1b[31m" + "y" * 1900


def said(about: About, day: int, by: str = "Ana Ruiz") -> Statement:
    digest = f"{day:02}" * 32
    made = f"2026-11-{day:02}T09:30:00.000000Z"
    return Statement(digest, made, by, "k" * 64, (), None, "0.2.0", about, Envelope(digest, b"", {}, "k" * 64, b""))


def admission(**values: Any) -> Statement:
    settings: dict[str, Any] = {
        "name": "support-desk", "snapshot": "5" * 64, "descriptor": "1" * 64, "policy": "2" * 64,
        "findings": "3" * 64, "report": "4" * 64, "verdict": "pass", "reason": "every rule passed", "sources": [],
        "rows": 10, "examples": 9, "malformed": 1, "admitted": 7, "excluded": 2,
        "splits": {"train": 5, "test": 2}, "rules": {"pii": "passed"},
    }  # fmt: skip
    return said(Admission(**(settings | values)), 1)


def waiver(until: str = "2026-12-01T00:00:00.000000Z", why: str = "checked by hand") -> Statement:
    return said(Waiver(rule="pii", findings=["a" * 64, "b" * 64], until=until, why=why), 2)


def stands(status: Any, **values: Any) -> Standing:
    settings: dict[str, Any] = {
        "snapshot": "5" * 64, "status": status, "reasons": (), "admission": admission(), "approvals": (),
        "rejections": (), "revocations": (), "waivers": (), "erasures": (),
    }  # fmt: skip
    return Standing(**(settings | values))


APPROVED = said(Approval(statement="a" * 64, note="read 100 rows"), 3, "Bo Lind")
REJECTED = said(Rejection(statement="a" * 64, why="three wrong answers"), 4, "Cy Wu")
REVOKED = said(Revocation(snapshot="5" * 64, why="a customer's name"), 5, "Bo Lind")
ERASED = said(Erasure(examples=["e" * 64], objects={}, snapshots=["5" * 64], why="asked to be forgotten"), 6)


def text_of(standing: Standing, **values: Any) -> str:
    page = re.sub(r'<span class="label">[^<]*</span>', "", to_status_html(standing, TRUST, AT, **values))
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style.*?</style>", "", page))).split())


@pytest.mark.parametrize(
    ("standing", "title", "change"),
    [
        (stands("waiting"), "Waiting for approval", "An approval by a reviewer other than Ana Ruiz: gate approve 0101"),
        (stands("approved", approvals=(APPROVED,)), "Approved", "A rejection by a reviewer, a revocation, or the eras"),
        (stands("rejected", rejections=(REJECTED,)), "Rejected", "An approval by Cy Wu in place of the rejection"),
        (stands("revoked", revocations=(REVOKED,)), "Revoked", "Nothing: a revocation is for good"),
        (stands("expired", waivers=(waiver("2026-11-24T00:00:00.000000Z"),)), "Expired", "have it waived anew"),
        (stands("erased", erasures=(ERASED,)), "Erased in part", "Nothing: some of its examples are gone for good"),
    ],
    ids=lambda value: value.status if isinstance(value, Standing) else "",
)
def test_each_status_has_a_title_and_says_what_would_change_it(standing: Standing, title: str, change: str) -> None:
    text = text_of(standing)
    assert f"{title} support-desk" in text
    assert change in text
    assert "as of 2026-11-25 10:00 UTC" in text


def test_everything_that_counts_is_there_with_who_when_and_why_in_the_order_of_time() -> None:
    review = said(Review(verdicts="9" * 64, sampled=100, good=97, bad=2, seed=1), 7, "Di Fo")
    standing = stands(
        "erased", approvals=(APPROVED,), rejections=(REJECTED,), revocations=(REVOKED,), erasures=(ERASED,)
    )
    page = status_page(standing, TRUST, AT, reviews=[review])
    assert [(each.kind, each.by, each.said) for each in page.events] == [
        ("admission", "Ana Ruiz", "every rule passed"),
        ("approval", "Bo Lind", "read 100 rows"),
        ("rejection", "Cy Wu", "three wrong answers"),
        ("revocation", "Bo Lind", "a customer's name"),
        ("erasure", "Ana Ruiz", "asked to be forgotten"),
        ("review", "Di Fo", "100 sampled: 97 good, 2 bad"),
    ]
    text = text_of(standing, reviews=[review])
    assert "rejection Cy Wu 2026-11-04 09:30 UTC three wrong answers 0404040404040404" in text


def test_reasons_and_what_does_not_count_are_told() -> None:
    standing = stands("waiting", reasons=("1 approval is still needed",), ignored=("approval 0303: her own",))
    text = text_of(standing)
    assert "1 approval is still needed" in text
    assert "What does not count approval 0303: her own" in text


@pytest.mark.parametrize(
    ("until", "over"), [("2026-11-24T00:00:00.000000Z", True), ("2026-12-01T00:00:00.000000Z", False)]
)
def test_a_waiver_says_until_when_and_whether_it_is_over(until: str, over: bool) -> None:
    standing = stands("expired" if over else "approved", waivers=(waiver(until),))
    (line,) = status_page(standing, TRUST, AT).waivers
    assert (line.over, line.findings, line.why) == (over, 2, "checked by hand")
    text = text_of(standing)
    assert f"pii 2 Ana Ruiz {until[:10]} 00:00 UTC {'over checked' if over else 'checked'} by hand" in text
    assert ("On 2026-12-01 00:00 UTC the waiver of pii is over" in text) is not over


def test_it_names_what_it_rests_on() -> None:
    text = text_of(stands("approved"), names=["support-desk@1", "support-desk@3"])
    for told in ("5" * 64, "01" * 32, "4" * 64, "trust.yaml " + "7" * 64, "support-desk@1, support-desk@3"):
        assert told in text
    assert "1, each by a reviewer, never by who admitted it" in text


def test_an_admission_without_a_report_says_so() -> None:
    assert "sealed report none" in text_of(stands("approved", admission=admission(report=None)))


def hostile() -> Standing:
    """Whatever people write, at its longest."""
    return stands(
        "rejected",
        reasons=(HOSTILE,),
        admission=admission(name=HOSTILE, reason=HOSTILE),
        approvals=(said(Approval(statement="a" * 64, note=HOSTILE), 3, HOSTILE),),
        rejections=(said(Rejection(statement="a" * 64, why=HOSTILE), 4, HOSTILE),),
        waivers=(waiver(why=HOSTILE),),
        ignored=(HOSTILE,),
    )


def test_what_people_write_does_nothing(chromium: str, tmp_path: Path) -> None:
    page = to_status_html(hostile(), TRUST, AT, names=[HOSTILE])
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "<script" not in page
    assert "default-src 'none'" in html.unescape(page)
    file = tmp_path / "page.html"
    file.write_text(page, "utf-8")
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "<title>PWNED" not in done.stdout


def test_nothing_is_wider_than_a_narrow_window(chromium: str, tmp_path: Path) -> None:
    (tmp_path / "inner.html").write_text(to_status_html(hostile(), TRUST, AT, names=[HOSTILE]), "utf-8")
    # A window of a headless browser is at least 500 px wide; a frame is as wide as it is told.
    (tmp_path / "outer.html").write_text(
        '<iframe src="inner.html" width="400" height="800"></iframe><script>onload = () => {'
        "const page = document.querySelector('iframe').contentDocument.documentElement;"
        "document.title = page.scrollWidth + ' of ' + page.clientWidth}</script>"
    )
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom",
         (tmp_path / "outer.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )  # fmt: skip
    found = re.search(r"<title>(\d+) of (\d+)</title>", done.stdout)
    assert found is not None
    assert int(found[1]) <= int(found[2]) <= 400


def test_many_statements_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.reporting.status_page.SHOWN", 3)
    many = tuple(said(Approval(statement="a" * 64), day, f"P{day}") for day in range(2, 9))
    text = text_of(stands("approved", approvals=many, ignored=tuple(f"no {number}" for number in range(5))))
    assert "3 of 8 shown." in text
    assert "and 2 more" in text


def test_a_template_of_ones_own_that_is_wrong_is_told(tmp_path: Path) -> None:
    own = tmp_path / "reports/templates/status.html.j2"
    own.parent.mkdir(parents=True)
    own.write_text("{{ page.nothing_of_that_name }}")
    with pytest.raises(GateError, match="nothing_of_that_name"):
        to_status_html(stands("approved"), TRUST, AT, folders=Folders(tmp_path))
