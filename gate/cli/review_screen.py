"""The screen of `gate review`: one example at a time, one key for each answer, nothing that needs a mouse.

Texts of a dataset are made inert before they are shown: no escape sequence of theirs reaches the terminal. They are not
masked, since whoever judges an example has to read it; the terminal's other screen is used, so that nothing of them
stays behind.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from gate.verbs.review import Sample
    from gate.verbs.review_answers import Answers

LONGEST = 40_000
"""Characters of one text that can be paged through; wrapping more of them takes seconds."""
_REASONS = 9
"""Earlier reasons on offer, each by its digit."""
_LOOK_UP = 0.2
"""Seconds after which whoever waits for a key is heard who pressed Ctrl-C."""
_FRAME = 4
"""Lines around the text: two above it, two below."""


class Keys(Protocol):
    """Where answers come from."""

    def key(self) -> str:
        """The next key; empty for one that is no character, and `q` where there is no more input."""
        ...

    def line(self) -> str:
        """A line that somebody types, without its end; empty where there is no more input."""
        ...


def review(sample: Sample, answers: Answers, console: Console, keys: Keys) -> None:
    """Ask about every example that has no answer yet, until there is none or somebody quits.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C; what was answered is kept.
    """
    rows = sample.examples.rows(named=True)  # a sample: some hundred
    number = {id_: at for at, id_ in enumerate(sample.ids)}
    at = _next(sample, answers, 0)
    page = 0
    while at is not None:
        pages = _draw(console, sample, answers, rows[at], page)
        key = keys.key().lower()
        if key in ("g", "s"):
            answers.say(sample.ids[at], "good" if key == "g" else "skip")
        elif key == "b":
            reason = _reason(console, sample, answers, rows[at], keys)
            if reason is None:
                continue
            answers.say(sample.ids[at], "bad", reason)
        elif key == "u":
            undone = answers.undo()
            at, page = (at if undone is None else number[undone]), 0
            continue
        elif key == "q":
            return
        else:
            # Any other key draws anew: after the window changed its size, say.
            page = (page + 1) % pages if key in ("m", " ", "\r", "\n") else min(page, pages - 1)
            continue
        at, page = _next(sample, answers, at), 0


def _next(sample: Sample, answers: Answers, start: int) -> int | None:
    """The first example from here on, and then from the beginning, that has no answer."""
    order = [*range(start, len(sample.ids)), *range(start)]
    return next((at for at in order if answers.get(sample.ids[at]) is None), None)


def _reason(console: Console, sample: Sample, answers: Answers, row: Mapping[str, object], keys: Keys) -> str | None:
    """Why an example is bad; None where somebody thought better of it."""
    from rich.text import Text

    from gate.reporting.inert import inert, one_line

    known = answers.reasons()[:_REASONS]
    while True:
        _draw(console, sample, answers, row, 0, below=len(known) + 1)
        for digit, reason in enumerate(known, start=1):
            console.print(Text(f" {digit}  {one_line(reason, console.width - 5)}"), no_wrap=True, overflow="crop")
        hint = "a number from above, or " if known else ""
        console.print(Text(f"Why is it bad? ({hint}a few words; nothing: back) ", style="bold"), end="")
        typed = " ".join(inert(keys.line()).split())[:2000]
        if not typed:
            return None
        if not typed.isdecimal():
            return typed
        if 1 <= int(typed[:3]) <= len(known):
            return known[int(typed) - 1]


def _draw(
    console: Console, sample: Sample, answers: Answers, row: Mapping[str, object], page: int, below: int = 0
) -> int:
    """Show a page of an example.

    Args:
        below: lines to leave free at the bottom, instead of the keys.

    Returns:
        how many pages it has.
    """
    from rich.text import Text

    from gate.reporting.inert import one_line

    width, height = console.width, max(1, console.height - _FRAME - max(0, below - 1))
    lines = _lines(console, row, width)
    pages = -(-len(lines) // height)
    page = min(page, pages - 1)
    counts = answers.counts()
    done = Text(f" {len(answers)} of {len(sample.ids)} ", style="reverse")
    done.append(f"  {counts['good']} good, {counts['bad']} bad, {counts['skip']} skipped", style="not reverse")
    place = f"{row['split'] or 'no split'} · {row['kind']} · {row['file']}:{row['row']}"
    console.clear()
    for head in (done, Text(one_line(place, width), style="dim"), *lines[page * height : (page + 1) * height]):
        console.print(head, no_wrap=True, overflow="crop")
    console.print(Text("\n" * (height - len(lines[page * height : (page + 1) * height]))), end="")
    if not below:
        more = f"[m]ore {page + 1}/{pages}  " if pages > 1 else ""
        undo = "[u]ndo  " if len(answers) else ""
        keys = Text(f"[g]ood  [b]ad  [s]kip  {more}{undo}[q]uit", style="bold")
        console.print(keys, no_wrap=True, overflow="crop", end="")
    return pages


def _lines(console: Console, row: Mapping[str, object], width: int) -> list[Text]:
    """An example as lines of the screen."""
    from rich.text import Text

    from gate.reporting.inert import inert, one_line
    from gate.snapshots.spoken import parts

    found: list[Text] = []
    for part in parts(row):
        found.append(Text(one_line(part.label, width), style="bold green" if part.answer else "bold cyan"))
        # Carriage returns would write over what stands before them: all line ends are line feeds here.
        text = inert(part.text.replace("\r\n", "\n").replace("\r", "\n"), LONGEST)
        if len(part.text) > LONGEST:
            text += f"\n({len(part.text) - LONGEST:,} more characters are not shown)"
        found += Text(text or "(empty)", style="" if text else "dim").wrap(console, width, tab_size=4)
    return found


class Terminal:
    """The keys of the terminal at standard input, each as it is pressed."""

    def __init__(self) -> None:
        self._file = sys.stdin.fileno()
        self._cooked: list[Any] = []  # as `termios` has it: opaque here

    @contextlib.contextmanager
    def pressed(self) -> Iterator[Terminal]:
        """Let keys come one by one, unseen; as it was before, afterwards."""
        if sys.platform == "win32":
            yield self
            return
        import termios
        import tty

        self._cooked = termios.tcgetattr(self._file)
        try:
            tty.setcbreak(self._file, termios.TCSADRAIN)
            yield self
        finally:
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._cooked)

    def key(self) -> str:
        if sys.platform == "win32":
            import msvcrt

            return msvcrt.getwch()
        self._wait()
        read = os.read(self._file, 1)
        if read == b"\x1b":  # an arrow or a function key: a sequence that comes at once
            self._drain()
            return ""
        while 0 < len(read) < 4 and read[0] >= 0xC0 and not _is_whole(read):
            read += os.read(self._file, 1)
        return read.decode("utf-8", "replace") if read and read != b"\x04" else "q"

    def line(self) -> str:
        if sys.platform == "win32":
            return sys.stdin.readline().rstrip("\n")
        import termios
        import tty

        termios.tcsetattr(self._file, termios.TCSADRAIN, self._cooked)
        try:
            self._wait()
            return os.read(self._file, 1 << 16).decode("utf-8", "replace").rstrip("\n")
        finally:
            tty.setcbreak(self._file, termios.TCSADRAIN)

    def _wait(self) -> None:
        """Until there is something to read. It looks up a few times a second: Ctrl-C may reach another thread of this
        process, and would not wake a read."""
        from select import select

        while not select([self._file], [], [], _LOOK_UP)[0]:
            pass

    def _drain(self) -> None:
        from select import select

        while select([self._file], [], [], 0.02)[0] and os.read(self._file, 1):
            pass


def _is_whole(read: bytes) -> bool:
    try:
        read.decode()
    except UnicodeDecodeError:
        return False
    return True


def ask(console: Console, question: str, keys: Callable[[], str]) -> bool:
    """Whether somebody says yes; anything but a y is a no."""
    from rich.text import Text

    console.print(Text(f"{question} [y/n] ", style="bold"), end="")
    answer = keys().lower() == "y"
    console.print("yes" if answer else "no")
    return answer
