"""`gate diff` as a person calls it: exit codes as `diff` has them, and machine output apart from people's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Gate = Callable[..., "subprocess.CompletedProcess[str]"]
WriteJsonl = Callable[[Path, Iterable[Mapping[str, object]]], Path]
ROWS = [{"prompt": f"What is {n} times {n + 3}?", "completion": f"It is {n * (n + 3)}, I think."} for n in range(5)]


def test_the_same_is_0_different_is_1_and_a_typo_is_2(gate: Gate, tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    a, b = write_jsonl(tmp_path / "a.jsonl", ROWS), write_jsonl(tmp_path / "b.jsonl", ROWS[1:])
    same, different, typo = gate("diff", a, a), gate("diff", a, b), gate("diff", a, tmp_path / "nowhere")
    assert (same.returncode, different.returncode, typo.returncode) == (0, 1, 2)
    assert "SAME" in same.stderr
    assert "DIFFERENT" in different.stderr
    assert "nowhere" in typo.stderr
    assert "Traceback" not in typo.stderr
    assert same.stdout == different.stdout == ""


def test_machine_output_goes_to_standard_output_or_a_file(gate: Gate, tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    a, b = write_jsonl(tmp_path / "a.jsonl", ROWS), write_jsonl(tmp_path / "b.jsonl", ROWS[1:])
    done = gate("diff", a, b, "--quiet", "--output", "json", "--output", "html=page.html", "-o", "note.md")
    assert json.loads(done.stdout)["rows"]["removed"] == 1
    assert done.stderr == ""
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "note.md").read_text().startswith("### gate diff: different")


def test_what_cannot_be_is_said_in_a_sentence(gate: Gate, tmp_path: Path, write_jsonl: WriteJsonl) -> None:
    a = write_jsonl(tmp_path / "a.jsonl", ROWS)
    for arguments in (("diff", a), ("diff", a, "-"), ("diff", a, a, "-o", "pdf"), ("diff", a, a, "--show", "-1")):
        done = gate(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
