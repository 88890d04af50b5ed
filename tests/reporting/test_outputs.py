"""`--output`: what a spec means, and that a file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gate.admission.result import AdmissionResult
from gate.errors import GateError, UsageError
from gate.reporting import outputs
from gate.reporting.outputs import FORMATS, Output, parse_output, write


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("json", Output("json", None)),
        ("json=-", Output("json", None)),
        ("json=out/r.json", Output("json", Path("out/r.json"))),
        ("html", Output("html", Path("gate-report.html"))),
        ("parquet", Output("parquet", Path("findings.parquet"))),
        ("report.html", Output("html", Path("report.html"))),
        ("REPORT.HTML", Output("html", Path("REPORT.HTML"))),
        ("findings.parquet", Output("parquet", Path("findings.parquet"))),
        ("runs/lr=1e-4/report.html", Output("html", Path("runs/lr=1e-4/report.html"))),
        ("json=a=b.txt", Output("json", Path("a=b.txt"))),
        ("github", Output("github", None)),
        ("markdown", Output("markdown", Path("gate-report.md"))),
        ("comment.md", Output("markdown", Path("comment.md"))),
        ("gate.sarif", Output("sarif", Path("gate.sarif"))),
        ("junit", Output("junit", Path("gate-junit.xml"))),
        ("tests.xml", Output("junit", Path("tests.xml"))),
        ("gitlab", Output("gitlab", Path("gl-code-quality-report.json"))),
    ],
)
def test_a_spec_names_a_format_and_a_place(spec: str, expected: Output) -> None:
    assert parse_output(spec) == expected


@pytest.mark.parametrize("spec", ["", "pdf", "xml=x", "report.docx", "json=", "html=", "parquet=-", "JSON"])
def test_what_is_no_output_is_a_usage_error_with_a_remedy(spec: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_output(spec)
    assert raised.value.remedy


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=", ".join(FORMATS)):
        parse_output("pdf")


def test_every_format_writes_a_file(small: AdmissionResult, tmp_path: Path) -> None:
    for name in FORMATS:
        path = tmp_path / "made" / "on the way" / f"r.{name}"
        assert write(small, Output(name, path)) == path
        assert path.stat().st_size > 500
    assert {path.name for path in (tmp_path / "made" / "on the way").iterdir()} == {f"r.{name}" for name in FORMATS}


def test_standard_output_gets_the_document_and_nothing_else(
    small: AdmissionResult, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert write(small, parse_output("json")) is None
    out, err = capfdbinary.readouterr()
    assert out.startswith(b"{")
    assert out.endswith(b"}\n")
    assert err == b""


def test_a_write_that_fails_leaves_the_old_report_and_no_litter(
    small: AdmissionResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "r.json"
    target.write_text("the old one")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs.os, "fsync", full)
    with pytest.raises(GateError, match="No space left on device") as raised:
        write(small, Output("json", target))
    assert raised.value.where == str(target)
    assert target.read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_a_folder_in_the_place_of_the_file_is_an_error(small: AdmissionResult, tmp_path: Path) -> None:
    with pytest.raises(GateError, match="folder"):
        write(small, Output("json", tmp_path))


def test_a_file_in_the_place_of_a_folder_is_an_error(small: AdmissionResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GateError, match="could not be written"):
        write(small, Output("json", tmp_path / "file" / "r.json"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_an_error(small: AdmissionResult, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(GateError, match="Permission denied"):
        write(small, Output("json", tmp_path / "r.json"))


def test_a_replaced_report_keeps_its_mode_and_a_link_stays_a_link(small: AdmissionResult, tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("")
    real.chmod(0o640)
    link.symlink_to(real)
    write(small, Output("json", link))
    assert link.is_symlink()
    assert real.read_bytes().startswith(b"{")
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_to_and_not_replaced(small: AdmissionResult) -> None:
    write(small, Output("json", Path("/dev/null")))
    assert not Path("/dev/null").is_file()
