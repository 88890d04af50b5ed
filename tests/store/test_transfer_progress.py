"""How far a transfer is: for somebody at a terminal, and only where it takes long enough to be read."""

from __future__ import annotations

import io

from rich.console import Console

from gate.reporting.transfer import Transfer


def shown(terminal: bool, total: int) -> str:
    text = io.StringIO()
    with Transfer(Console(file=text, force_terminal=terminal, width=100), "copying") as progress:
        for done in range(0, total + 1, max(1, total // 4)):
            progress.update(done, total)
    return text.getvalue()


def test_a_long_transfer_at_a_terminal_is_shown_and_wiped() -> None:
    text = shown(True, 400 << 20)
    assert "copying" in text
    assert "MB" in text
    assert text.endswith("\x1b[2K") or "\x1b[1A" in text


def test_nothing_is_shown_elsewhere() -> None:
    assert shown(False, 400 << 20) == ""
    assert shown(True, 1 << 20) == ""
    assert shown(True, 0) == ""
