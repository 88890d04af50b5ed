"""`gate review` as a person meets it: at a terminal of 80 by 24, key by key, and without one."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gate.provenance.keys import new_key

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is needed")

KEYS = "[q]uit"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """`gate review` in a pseudo-terminal."""

    def __init__(self, arguments: list[str], folder: Path, columns: int = 80, lines: int = 24) -> None:
        import fcntl
        import pty
        import struct
        import termios

        own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gate", "review", *arguments],
            cwd=folder, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
            env=environment | {"TERM": "xterm-256color"}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0) and None,
        )  # fmt: skip
        os.close(theirs)
        self._file = own
        self.raw = ""
        """Everything that reached the terminal."""

    def until(self, text: str, seconds: float = 40) -> str:
        """What is shown from the last clearing of the screen on, once it holds a text."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if text in (shown := self.shown()):
                return shown
            if select.select([self._file], [], [], 0.1)[0]:
                try:
                    read = os.read(self._file, 1 << 16)
                except OSError:  # the other end is closed
                    break
                self.raw += read.decode("utf-8", "replace")
        assert text in self.shown(), self.shown()
        return self.shown()

    def shown(self) -> str:
        return _ESCAPES.sub("", self.raw.rpartition("\x1b[2J")[2])

    def press(self, keys: str, until: str) -> str:
        self.raw += "\x1b[2J"  # what was there before does not count
        os.write(self._file, keys.encode())
        return self.until(until)

    def end(self) -> tuple[int, str]:
        """The exit code and standard output."""
        out, _ = self.process.communicate(timeout=60)
        os.close(self._file)
        return self.process.returncode, out.decode()


Open = Callable[..., Screen]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("STATE", "KEYS"):
        monkeypatch.setenv(f"GATE_{name}", str(tmp_path / name.lower()))
    for name in ("TRUST", "STORE", "KEY"):
        monkeypatch.delenv(f"GATE_{name}", raising=False)
    rows = [{"prompt": f"What is {n} + 1?", "completion": f"{n + 1}, \x1b[31mred\x1b]0;own\x07"} for n in range(30)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.fixture
def opened(folder: Path) -> Iterator[Open]:
    screens: list[Screen] = []

    def run(*arguments: str, **options: int) -> Screen:
        screens.append(Screen(["data.jsonl", "-n", "4", *arguments], folder, **options))
        return screens[-1]

    yield run
    for screen in screens:
        if screen.process.poll() is None:
            screen.process.kill()
            screen.process.wait()


def kept(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "state" / "reviews.jsonl").read_text().splitlines()]


def test_a_whole_review_is_answered_key_by_key_and_signed(folder: Path, opened: Open) -> None:
    new_key("ana")
    screen = opened()
    shown = screen.until(KEYS)
    assert " 0 of 4 " in shown
    assert "What is " in shown
    assert "data.jsonl:" in shown
    assert "assistant" in shown
    assert " 1 of 4 " in screen.press("g", KEYS)
    assert "1  " not in screen.press("b", "Why is it bad?")
    assert "1 good, 1 bad" in screen.press("too red\n", KEYS)
    assert "1  too red" in screen.press("b", "Why is it bad?")
    assert "1 good, 2 bad" in screen.press("1\n", KEYS)
    assert " 2 of 4 " in screen.press("u", KEYS)
    screen.press("b", "Why is it bad?")
    assert " 2 of 4 " in screen.press("\n", KEYS)  # thought better of it
    assert "1 skipped" in screen.press("s", KEYS)
    screen.press("g", "Sign 4 verdicts")
    screen.press("y", "signed as ana")
    code, out = screen.end()
    assert code == 0
    assert re.fullmatch(r"[0-9a-f]{64}\n", out)
    assert (folder / ".gate/statements" / f"{out.strip()}.json").is_file()
    said = [entry for entry in kept(folder) if "verdict" in entry]
    assert [entry["verdict"] for entry in said] == ["good", "bad", "bad", "skip", "good"]
    assert {entry["reason"] for entry in said} == {None, "too red"}


def test_nothing_of_the_data_reaches_the_terminal_as_a_command(opened: Open) -> None:
    screen = opened()
    shown = screen.until(KEYS)
    assert "<U+001B>[31mred" in shown
    assert "\x1b[31m" not in screen.raw
    assert "\x07" not in screen.raw
    assert "\x1b[?1049h" in screen.raw  # the other screen: nothing stays in the scroll-back
    screen.press("q", "0 of 4 answered")
    assert screen.raw.rindex("\x1b[?1049l") < screen.raw.rindex("0 of 4 answered")
    assert screen.end() == (0, "")


def test_who_quits_goes_on_where_it_was_left(folder: Path, opened: Open) -> None:
    screen = opened()
    first = screen.until(KEYS)
    screen.press("g", KEYS)
    screen.press("q", "Sign 1 verdict ")
    screen.press("n", "They are kept")
    assert screen.end() == (0, "")
    screen = opened()
    again = screen.until(KEYS)
    assert " 1 of 4 " in again
    assert first.split("data.jsonl:")[1][:4] != again.split("data.jsonl:")[1][:4]  # the next example
    assert " 0 of 4 " in screen.press("u", KEYS)
    screen.press("q", "0 of 4 answered")
    assert screen.end()[0] == 0
    assert not (folder / ".gate").exists()


def test_ctrl_c_keeps_what_was_answered_and_gives_the_terminal_back(folder: Path, opened: Open) -> None:
    screen = opened()
    screen.until(KEYS)
    screen.press("g", " 1 of 4 ")
    screen.press("\x03", "kept; the same command goes on")
    assert screen.end()[0] == 130
    assert [entry["verdict"] for entry in kept(folder)] == ["good"]


def test_a_kill_keeps_what_was_answered(folder: Path, opened: Open) -> None:
    screen = opened()
    screen.until(KEYS)
    screen.press("g", " 1 of 4 ")
    screen.process.send_signal(signal.SIGKILL)
    screen.end()
    assert [entry["verdict"] for entry in kept(folder)] == ["good"]


def test_without_a_key_the_answers_are_kept_and_it_says_what_to_do(folder: Path, opened: Open) -> None:
    screen = opened("-n", "1")
    screen.until(KEYS)
    screen.press("g", "Sign 1 verdict ")
    screen.press("y", "gate keys new")
    assert screen.end()[0] == 2
    assert len(kept(folder)) == 1


def test_long_texts_are_paged_and_every_screen_fits(folder: Path, opened: Open) -> None:
    text = "\n".join(f"line {n}" for n in range(60)) + "\n" + "wide " * 200
    (folder / "data.jsonl").write_text(json.dumps({"prompt": "Count.", "completion": text}) + "\n")
    screen = opened(columns=60, lines=12)
    pages = [screen.until(KEYS)]
    count = int(re.search(r"more 1/(\d+)|ore 1/(\d+)", pages[0])[2])  # type: ignore[index]
    assert count > 5
    pages += [screen.press(" ", f"ore {number}/") for number in range(2, count + 1)]
    for page in pages:
        lines = page.replace("\r", "").split("\n")
        assert len(lines) <= 12
        assert max(map(len, lines)) <= 60
    joined = "".join(pages)
    assert all(f"line {n}\r" in joined for n in range(60))
    assert "ore 1/" in screen.press("m", KEYS)  # round again
    screen.press("q", "0 of 1 answered")


def test_keys_that_mean_nothing_do_nothing(folder: Path, opened: Open) -> None:
    screen = opened()
    screen.until(KEYS)
    for key in ("\x1b[A", "\x1b[15~", "é", "x", "5", "\t"):
        assert " 0 of 4 " in screen.press(key, KEYS)
    screen.press("q", "0 of 4 answered")
    assert screen.end()[0] == 0
    assert not (folder / "state").exists()


def test_without_a_terminal_it_says_how_to_go_on(
    gate: Callable[..., subprocess.CompletedProcess[str]], folder: Path
) -> None:
    ended = gate("review", "data.jsonl", cwd=folder, stdin=subprocess.DEVNULL)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--export" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--export", "a.csv", "--import", "b.csv"], "--import and --suggest are one thing each"),
        (["--export", "data.jsonl"], "there is a file of that name"),
        (["--import", "missing.csv"], "cannot be read"),
        (["--out", "drafts"], "--suggest"),
        (["--export", "a.csv", "--stratify", "topic"], "no example has a column 'topic'"),
        (["--suggest"], "no example that is there was called bad"),
        (["--export", "a.csv", "-n", "0"], "0 is not in the range"),
    ],
)
def test_what_cannot_be_is_said(
    gate: Callable[..., subprocess.CompletedProcess[str]], folder: Path, arguments: list[str], said: str
) -> None:
    ended = gate("review", "data.jsonl", *arguments, cwd=folder)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_team_reviews_in_a_spreadsheet(gate: Callable[..., subprocess.CompletedProcess[str]], folder: Path) -> None:
    new_key("ana")
    assert gate("review", "data.jsonl", "-n", "6", "--export", "sheet.csv", cwd=folder).returncode == 0
    with (folder / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for row in rows[:5]:
        row["verdict"] = "Good"
    with (folder / "back.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    ended = gate("review", "data.jsonl", "-n", "6", "--import", "back.csv", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert "without a verdict, left alone: 1" in ended.stderr
    assert (folder / ".gate/statements" / f"{ended.stdout.strip()}.json").is_file()
