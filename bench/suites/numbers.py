"""Questions that are computed: arithmetic, the calendar, sequences."""

from __future__ import annotations

import random
from calendar import day_name, isleap, month_name
from datetime import date, timedelta

from bench.suites.items import Question, near, others, turns

DAYS, MONTHS = list(day_name), list(month_name)[1:]
STEPS = (1, 2, 3, 5, 10)
"""How far wrong numbers lie from right ones: off by one, and by a carry."""


def _asked(group: str, cluster: str, text: str, right: int, rank: int, draw: random.Random, least: int = 0) -> Question:
    return Question(group, cluster, text, str(right), near(right, rank, STEPS, draw, least))


def arithmetic(draw: random.Random) -> list[Question]:
    """Sums below forty, and what is a little harder. No pair of numbers that the retention monitor asks about."""
    sums = [(a, b) for a in range(20) for b in range(20) if a + b >= 5]
    differences = [(a, b) for a in range(110, 200) for b in range(15, 99)]
    products = [(a, b) for a in range(13, 20) for b in range(3, 10)]
    quotients = [(a * b, b) for a in range(6, 16) for b in range(3, 13)]
    chains = [(a, b, c) for a in range(6, 16) for b in range(3, 10) for c in range(2, 9)]
    shares = [(share, whole) for share in (10, 20, 25, 50, 75) for whole in range(40, 401, 20)]
    made: list[tuple[str, str, str, int]] = []
    made += [("sum", _pair(a, b), f"What is {a} plus {b}?", a + b) for a, b in draw.sample(sums, 120)]
    made += [("difference", f"{a}-{b}", f"What is {a} minus {b}?", a - b) for a, b in draw.sample(differences, 28)]
    made += [("product", _pair(a, b), f"What is {a} times {b}?", a * b) for a, b in draw.sample(products, 28)]
    made += [("quotient", f"{a}/{b}", f"What is {a} divided by {b}?", a // b) for a, b in draw.sample(quotients, 24)]
    made += [
        ("chain", f"{a}+{b}-{c}", f"What is {a} plus {b} minus {c}?", a + b - c) for a, b, c in draw.sample(chains, 24)
    ]
    made += [
        ("share", f"{share}% of {whole}", f"How much is {share} percent of {whole}?", share * whole // 100)
        for share, whole in draw.sample(shares, 24)
    ]
    ranks = turns(draw, len(made))
    return [_asked(*each, rank, draw) for each, rank in zip(made, ranks, strict=True)]


def _pair(first: int, second: int) -> str:
    return f"{min(first, second)},{max(first, second)}"


def calendar(draw: random.Random) -> list[Question]:
    """Weekdays, months, lengths of months, leap years, and dates before and after each other."""
    return [
        *_weekdays(draw), *_months(draw), *_lengths(draw), *_leap_years(draw), *_dates(draw), *_spans(draw),
        *_days_of_dates(draw),
    ]  # fmt: skip


def _weekdays(draw: random.Random) -> list[Question]:
    made = []
    for at, days in draw.sample([(at, days) for at in range(7) for days in range(2, 20) if days % 7], 60):
        ahead = len(made) % 2 == 0
        right = DAYS[(at + days) % 7] if ahead else DAYS[(at - days) % 7]
        text = (
            f"If today is {DAYS[at]}, which day will it be in {days} days?"
            if ahead
            else f"If today is {DAYS[at]}, which day was it {days} days ago?"
        )
        wrong = others(DAYS, [right], draw)
        made.append(Question("weekday", f"weekday {len(made)}", text, right, wrong))
    return made


def _months(draw: random.Random) -> list[Question]:
    made = []
    for at, count in draw.sample([(at, count) for at in range(12) for count in range(2, 12)], 36):
        right = MONTHS[(at + count) % 12]
        text = f"Which month comes {count} months after {MONTHS[at]}?"
        made.append(Question("month", f"month {len(made)}", text, right, others(MONTHS, [right], draw)))
    return made


def _lengths(draw: random.Random) -> list[Question]:
    """Each length equally often, so that none is a good guess."""
    lengths = ("28", "29", "30", "31")
    made = []
    for length in lengths:
        cases = [
            (year, month)
            for year in range(1890, 2031)
            for month in range(1, 13)
            if (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days == int(length)
        ]
        for year, month in draw.sample(cases, 9):
            text = f"How many days are there in {MONTHS[month - 1]} {year}?"
            made.append(Question("length", f"length {len(made)}", text, length, others(lengths, [length], draw)))
    return made


def _leap_years(draw: random.Random) -> list[Question]:
    """Right ones are leap years; wrong ones are not, 1900 and its like among them."""
    made = []
    leap = draw.sample([year for year in range(1880, 2101) if isleap(year)], 20)
    for right in leap:
        around = [year for year in range(right - 10, right + 11) if not isleap(year)]
        century = [year for year in (1700, 1800, 1900, 2100, 2200) if abs(year - right) < 60]
        wrong = [*century[:1], *draw.sample([year for year in around if year not in century], 3)][:3]
        named = sorted([right, *wrong])
        text = f"Which of these years is a leap year: {named[0]}, {named[1]}, {named[2]} or {named[3]}?"
        made.append(
            Question("leap year", f"leap year {right}", text, str(right), (str(wrong[0]), str(wrong[1]), str(wrong[2])))
        )
    return made


def written(day: date) -> str:
    """A date as people write it: 3 May 2021."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _drawn(draw: random.Random) -> date:
    return date(draw.randrange(1950, 2031), draw.randrange(1, 13), draw.randrange(1, 29))


def _dates(draw: random.Random) -> list[Question]:
    """The end of a month lies between, and wrong ones are off by a few days."""
    made = []
    for rank in turns(draw, 32):
        start = _drawn(draw).replace(day=draw.randrange(20, 29))
        days = draw.randrange(9, 25)
        right = start + timedelta(days)
        shifts = [*draw.sample((-3, -2, -1), rank), *draw.sample((1, 2, 3), 3 - rank)]
        first, second, third = (written(right + timedelta(shift)) for shift in shifts)
        text = f"Which date is {days} days after {written(start)}?"
        made.append(Question("date", f"date {len(made)}", text, written(right), (first, second, third)))
    return made


def _spans(draw: random.Random) -> list[Question]:
    made = []
    for rank in turns(draw, 28):
        start, days = _drawn(draw), draw.randrange(20, 60)
        text = f"How many days after {written(start)} is {written(start + timedelta(days))}?"
        made.append(_asked("span", f"span {len(made)}", text, days, rank, draw))
    return made


def _days_of_dates(draw: random.Random) -> list[Question]:
    made = []
    for _ in range(32):
        start, days = _drawn(draw), draw.choice([days for days in range(3, 30) if days % 7])
        later = start + timedelta(days)
        text = f"{written(start)} is a {DAYS[start.weekday()]}. Which weekday is {written(later)}?"
        right = DAYS[later.weekday()]
        wrong = others(DAYS, [right], draw)
        made.append(Question("weekday of a date", f"weekday of a date {len(made)}", text, right, wrong))
    return made


def sequences(draw: random.Random) -> list[Question]:
    """Numbers that follow a rule, enough of them that no other simple rule fits; the next one is asked for."""
    made: dict[str, tuple[str, int]] = {}

    def add(group: str, terms: list[int], count: int) -> bool:
        shown = ", ".join(map(str, terms[:-1]))
        made.setdefault(shown, (group, terms[-1]))
        return sum(each == group for each, _ in made.values()) < count

    while add("equal steps up", _steps(draw.randrange(1, 40), [draw.randrange(3, 14)], 6), 35):
        pass
    while add("equal steps down", _steps(draw.randrange(70, 150), [-draw.randrange(2, 12)], 6), 31):
        pass
    while add("two steps by turns", _steps(draw.randrange(1, 30), draw.sample(range(1, 10), 2), 7), 35):
        pass
    while add("up and down", _steps(draw.randrange(20, 60), [draw.randrange(5, 12), -draw.randrange(1, 5)], 7), 28):
        pass
    while add("growing steps", _growing(draw.randrange(1, 20), draw.randrange(1, 5), draw.randrange(1, 4)), 31):
        pass
    while add("multiplied", _multiplied(draw.randrange(1, 12), draw.randrange(2, 5), 0), 28):
        pass
    while add("doubled and more", _multiplied(draw.randrange(1, 12), 2, draw.choice((-1, 1, 2, 3))), 24):
        pass
    while add("sum of the two before", _added(draw.randrange(1, 9), draw.randrange(2, 12)), 28):
        pass
    ranks = turns(draw, len(made))
    return [
        _asked(group, shown, f"Which number comes next: {shown}?", right, rank, draw, least=-50)
        for (shown, (group, right)), rank in zip(made.items(), ranks, strict=True)
    ]


def _steps(start: int, steps: list[int], length: int) -> list[int]:
    terms = [start]
    while len(terms) < length:
        terms.append(terms[-1] + steps[(len(terms) - 1) % len(steps)])
    return terms


def _growing(start: int, step: int, more: int) -> list[int]:
    return _steps(start, [step + more * at for at in range(5)], 6)


def _multiplied(start: int, factor: int, more: int) -> list[int]:
    terms = [start]
    while len(terms) < (5 if factor > 2 else 6):
        terms.append(terms[-1] * factor + more)
    return terms


def _added(first: int, second: int) -> list[int]:
    terms = [first, second]
    while len(terms) < 7:
        terms.append(terms[-2] + terms[-1])
    return terms
