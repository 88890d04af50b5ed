"""Dates and times as people write them, turned into the one form that statements use."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from gate.provenance.statements import written


def moment(text: str, *, end_of_day: bool = False) -> str:
    """What a person wrote as a moment: `2026-11-01` or `2026-12-24T10:00:00Z`, ISO 8601.

    Args:
        end_of_day: a date stands for its last microsecond (UTC) instead of its first.

    Raises:
        ValueError: it is neither, or a time that does not say its zone.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        pass
    else:
        first = datetime.combine(day, time(), UTC)
        return written(first + timedelta(days=1) - timedelta(microseconds=1) if end_of_day else first)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("expected a date (2026-11-01) or a time (2026-12-24T10:00:00Z)") from None
    if when.tzinfo is None:
        raise ValueError("the time does not say its zone: end it with Z, or with +01:00")
    return written(when)


def day_of(moment: str) -> str:
    """The date of a moment, for sentences; UTC."""
    return moment[:10]


def minute_of(moment: str) -> str:
    """A moment to the minute, for sentences: `2026-11-21 16:40 UTC`."""
    return f"{moment[:10]} {moment[11:16]} UTC"
