"""Dates and times as people write them, turned into the one form that statements use."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

_LAST = time(23, 59, 59, 999999)


def now() -> str:
    """This moment, as statements write it."""
    return written(datetime.now(UTC))


def written(moment: datetime) -> str:
    """A moment as statements write it (UTC, RFC 3339 with microseconds); it must know its time zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str, *, end_of_day: bool = False) -> str:
    """What a person wrote as a moment: `2026-11-01` or `2026-12-24T10:00:00Z`, ISO 8601.

    Args:
        end_of_day: a date stands for its last microsecond (UTC) instead of its first.

    Raises:
        ValueError: it is neither, or a time that does not say its zone.
    """
    try:
        when = datetime.combine(date.fromisoformat(text), _LAST if end_of_day else time(), UTC)
    except ValueError:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError("expected a date (2026-11-01) or a time (2026-12-24T10:00:00Z)") from None
    if when.tzinfo is None:
        raise ValueError("the time does not say its zone: end it with Z, or with +01:00")
    if not 1970 <= when.year <= 9998:  # the form has four digits for a year, in any zone
        raise ValueError("expected a year from 1970 to 9998")
    return written(when)


def minute_of(moment: str) -> str:
    """A moment to the minute, for sentences: `2026-11-21 16:40 UTC`."""
    return f"{moment[:10]} {moment[11:16]} UTC"
