"""`gate report`: the sealed page is what was sealed or an error, and the status page follows what people say."""

from __future__ import annotations

import hashlib
import html
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Erasure, Revocation
from gate.provenance.trust import Untrusted
from gate.snapshots.reach import NOTHING
from gate.store.objects import Damaged, Store
from gate.verbs.admit import Admitted
from gate.verbs.report import NoReport, sealed_report, status_report
from tests.conftest import Gate
from tests.snapshots.made import Admit, People, approve, write_splits


@pytest.fixture
def reported(admitted: Admit, tmp_path: Path) -> Admitted:
    """A snapshot that was sealed with its report."""
    return admitted(write_splits(tmp_path / "data"), report=True)


def given(reported: Admitted, people: People, **values: Any) -> dict[str, Any]:
    return {"store": reported.store, "trust": people.trust} | values


def words(page: bytes) -> str:
    text = re.sub(r"(?s)<(style|script).*?</\1>", "", page.decode())
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_the_sealed_page_is_what_the_admission_names(reported: Admitted, people: People) -> None:
    digest = reported.admission.report
    assert digest is not None
    for what in ("harbour", reported.statement.digest, reported.statement.digest[:12], reported.snapshot[:8]):
        report = sealed_report(what, **given(reported, people))
        assert hashlib.sha256(report.content).hexdigest() == digest
        assert report.admission.digest == reported.statement.digest


def test_it_says_what_was_sealed(reported: Admitted, people: People) -> None:
    text = words(sealed_report("harbour", **given(reported, people)).content)
    assert "Admitted as harbour by ana on" in text
    assert f"snapshot {reported.snapshot}" in text
    assert "100 = 100 admitted + 0 excluded" in text
    assert "text 60 60 % 20 20 % 20 20 % 100" in text or "chat 60 60 % 20 20 % 20 20 % 100" in text
    assert "1 approval by a reviewer, other than ana" in text
    for source in reported.admission.sources:
        assert source.sha256 in text


def test_approving_changes_the_status_and_not_the_sealed_page(reported: Admitted, people: People) -> None:
    before = sealed_report("harbour", **given(reported, people)).content
    assert "Waiting for approval harbour" in words(status_report("harbour", **given(reported, people)).content)
    approve(reported, people)
    text = words(status_report("harbour", **given(reported, people)).content)
    assert "Approved harbour" in text
    assert "approval by ben" in text
    assert "names harbour@1" in text
    Ledger(Store(reported.store)).say(Revocation(snapshot=reported.snapshot, why="a wrong tide"), people.ben)
    text = words(status_report("harbour", **given(reported, people)).content)
    assert "Revoked harbour revoked by ben on" in text
    assert "a wrong tide" in text
    assert sealed_report("harbour", **given(reported, people)).content == before


def test_a_page_that_was_touched_is_never_given_out(reported: Admitted, people: People) -> None:
    path = Store(reported.store).path(str(reported.admission.report), "html")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Admitted", b"admitted", 1))
    with pytest.raises(Damaged, match="not what its name says"):
        sealed_report("harbour", **given(reported, people))
    path.unlink()
    with pytest.raises(Damaged, match="missing"):
        sealed_report("harbour", **given(reported, people))


def test_a_page_that_is_far_too_large_is_not_read(
    reported: Admitted, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.verbs.report.LARGEST", 1_000)
    with pytest.raises(Damaged, match="too large to be a report"):
        sealed_report("harbour", **given(reported, people))


def test_an_admission_by_somebody_else_is_not_believed(reported: Admitted, people: People, tmp_path: Path) -> None:
    others = tmp_path / "others.yaml"
    others.write_text("\n".join(line for line in people.trust_file.read_text().splitlines() if "name: ana" not in line))
    for give in (sealed_report, status_report):
        with pytest.raises(Untrusted, match="does not trust"):
            give(reported.statement.digest, **given(reported, people, trust=others))


def test_without_a_report_there_is_none(admitted: Admit, people: People, tmp_path: Path) -> None:
    bare = admitted(write_splits(tmp_path / "data"))
    with pytest.raises(NoReport, match="without a report") as error:
        sealed_report("harbour", **given(bare, people))
    assert error.value.exit_code == 1
    assert "sealed report none" in words(status_report("harbour", **given(bare, people)).content)


def test_a_page_that_was_erased_says_by_whom_and_why(reported: Admitted, people: People) -> None:
    digest = str(reported.admission.report)
    erasure = Erasure(examples=["e" * 64], objects={digest: NOTHING}, snapshots=[reported.snapshot], why="asked for")
    store = Store(reported.store)
    # A tombstone by nobody who is trusted explains nothing.
    Ledger(store).say(erasure, people.eve)
    assert sealed_report("harbour", **given(reported, people)).content
    Ledger(store).say(erasure, people.ana)
    with pytest.raises(Damaged, match="was to be erased, and is still"):
        sealed_report("harbour", **given(reported, people))
    store.path(digest, "html").unlink()
    store.put(b"", "html")
    with pytest.raises(NoReport, match=r"the report was erased by ana on .*: asked for"):
        sealed_report("harbour", **given(reported, people))
    assert "Erased in part harbour" in words(status_report("harbour", **given(reported, people)).content)


def test_only_an_admission_has_a_report(reported: Admitted, people: People) -> None:
    approval = approve(reported, people)
    with pytest.raises(UsageError, match="an approval by ben"):
        sealed_report(approval.digest, **given(reported, people))


def test_the_command(reported: Admitted, people: People, gate: Gate, tmp_path: Path) -> None:
    store, trust = ("--store", reported.store), ("--trust", people.trust_file)
    done = gate("report", "harbour", *store, *trust, "--out", "pages/report.html")
    assert (done.returncode, done.stdout) == (0, "")
    assert "wrote pages/report.html" in done.stderr
    sealed = (tmp_path / "pages/report.html").read_bytes()
    assert hashlib.sha256(sealed).hexdigest() == reported.admission.report
    piped: Any = gate("report", "harbour", *store, *trust, text=False)
    assert piped.stdout == sealed
    status = gate("report", reported.snapshot[:8], "--status", *store, *trust)
    assert status.returncode == 0
    assert "Waiting for approval" in status.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nobody", "--trust"], "there is no snapshot 'nobody'"),
        (["harbour"], "no trust file is named"),
        (["harbour", "--out", ".", "--trust"], "is a directory"),
        (["harbour", "--stats", "--trust"], "No such option"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    reported: Admitted, people: People, gate: Gate, arguments: list[str], told: str
) -> None:
    trust = [people.trust_file] if arguments[-1] == "--trust" else []
    done: subprocess.CompletedProcess[str] = gate("report", *arguments, *trust, "--store", reported.store)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
