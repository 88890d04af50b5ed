"""Every computed answer of the forgetting suite, computed once more from the question's own words, another way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise, permutations, product

import pytest

from tests.evaluation.suite_items import Item, items, right

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


# --- Arithmetic: each operation by counting, not by the operator that made it ---


def _arithmetic(question: str) -> Fraction:
    if share := re.fullmatch(r"How much is (\d+) percent of (\d+)\?", question):
        return Fraction(int(share[1]) * int(share[2]), 100)
    asked = re.fullmatch(r"What is (\d+)((?: (?:plus|minus|times|divided by) \d+)+)\?", question)
    assert asked, question
    value = Fraction(int(asked[1]))
    for word, number in re.findall(r" (plus|minus|times|divided by) (\d+)", asked[2]):
        if word == "times":
            value = Fraction(sum(value for _ in range(int(number))))
        elif word == "divided by":
            value = Fraction(value, int(number))
        else:
            value = value + int(number) if word == "plus" else value - int(number)
    return value


def test_sums_differences_products_quotients_chains_and_shares() -> None:
    for item in items("arithmetic"):
        value = _arithmetic(item["question"])
        assert value.denominator == 1
        assert right(item) == str(value), item
        assert [choice for choice in item["choices"] if Fraction(choice) == value] == [right(item)]


# --- Calendar: by datetime alone ---


def _date(text: str) -> date:
    day, month, year = text.split()
    return date(int(year), MONTHS.index(month) + 1, int(day))


def _weekday(offset: int, day: str) -> str:
    monday = date(2024, 1, 1)  # it was one
    return (monday + timedelta(DAYS.index(day) + offset)).strftime("%A")


def _month(count: int, month: str) -> str:
    day = date(2020, MONTHS.index(month) + 1, 1)
    for _ in range(count):
        day = (day + timedelta(31)).replace(day=1)
    return MONTHS[day.month - 1]


def _length(month: str, year: str) -> str:
    first = date(int(year), MONTHS.index(month) + 1, 1)
    return str((((first + timedelta(31)).replace(day=1)) - first).days)


def _leap(*years: str) -> str:
    def has_day(year: str) -> bool:
        try:
            return bool(date(int(year), 2, 29))
        except ValueError:
            return False

    (found,) = filter(has_day, years)
    return found


_D = r"(\d+ [A-Z]\w+ \d{4})"
CALENDAR: dict[str, Callable[..., str]] = {
    r"If today is (\w+), which day will it be in (\d+) days\?": lambda day, n: _weekday(int(n), day),
    r"If today is (\w+), which day was it (\d+) days ago\?": lambda day, n: _weekday(-int(n), day),
    r"Which month comes (\d+) months after (\w+)\?": lambda n, month: _month(int(n), month),
    r"How many days are there in (\w+) (\d{4})\?": _length,
    r"Which of these years is a leap year: (\d+), (\d+), (\d+) or (\d+)\?": _leap,
    rf"Which date is (\d+) days after {_D}\?": lambda n, day: (
        f"{(d := date.fromordinal(_date(day).toordinal() + int(n))).day} {MONTHS[d.month - 1]} {d.year}"
    ),
    rf"How many days after {_D} is {_D}\?": lambda a, b: str(_date(b).toordinal() - _date(a).toordinal()),
    rf"{_D} is a (\w+)\. Which weekday is {_D}\?": lambda a, day, b: (
        _date(b).strftime("%A") if _date(a).strftime("%A") == day else "a wrong weekday in the question"
    ),
}


def _matched(question: str, rules: dict[str, Callable[..., str]]) -> str:
    (found,) = [(rule, match) for rule in rules if (match := re.fullmatch(rule, question))]
    return rules[found[0]](*found[1].groups())


def test_calendar() -> None:
    for item in items("calendar"):
        assert right(item) == _matched(item["question"], CALENDAR), item
        if " leap year" in item["question"]:
            assert set(item["choices"]) == set(re.findall(r"\d{4}", item["question"]))


def test_each_length_of_a_month_is_right_equally_often() -> None:
    lengths = [right(item) for item in items("calendar") if item["group"] == "length"]
    assert {lengths.count(length) for length in ("28", "29", "30", "31")} == {len(lengths) // 4}


# --- Sequences: every simple rule that fits says the same ---


def _continued(terms: list[int]) -> Iterator[int]:
    steps = [b - a for a, b in pairwise(terms)]
    if len(set(steps)) == 1:
        yield terms[-1] + steps[0]
    second = [b - a for a, b in pairwise(steps)]
    if len(set(second)) == 1:
        yield terms[-1] + steps[-1] + second[0]
    if len(steps) >= 4 and len(set(steps[::2])) == 1 and len(set(steps[1::2])) == 1:
        yield terms[-1] + (steps[0] if len(steps) % 2 == 0 else steps[1])
    for factor, more in product(range(2, 5), range(-3, 4)):
        if all(b == a * factor + more for a, b in pairwise(terms)):
            yield terms[-1] * factor + more
    if len(terms) >= 4 and all(c == a + b for a, b, c in zip(terms, terms[1:], terms[2:], strict=False)):
        yield terms[-1] + terms[-2]


def test_sequences_go_on_in_one_way() -> None:
    for item in items("sequences"):
        asked = re.fullmatch(r"Which number comes next: (-?\d+(?:, -?\d+)+)\?", item["question"])
        assert asked, item
        terms = [int(each) for each in asked[1].split(", ")]
        assert len(terms) >= 4
        assert {str(each) for each in _continued(terms)} == {right(item)}, item


# --- Reasoning: every way that the world could be, tried out ---


def _order(text: str) -> str:
    said = re.findall(r"(\w+) is (older|faster|heavier) than (\w+)\.", text)
    people = sorted({name for a, _, b in said for name in (a, b)})
    ways = [way for way in permutations(people) if all(way.index(a) < way.index(b) for a, _, b in said)]
    asked = re.search(r"Who is the (second )?(\w+) of the four\?", text)
    assert asked
    assert len(people) == 4
    assert len({more for _, more, _ in said}) == 1
    last = asked[2] in ("youngest", "slowest", "lightest")
    assert last or asked[2] in ("oldest", "fastest", "heaviest")
    (found,) = {way[::-1][bool(asked[1])] if last else way[bool(asked[1])] for way in ways}
    return found


def _turned(text: str) -> str:
    asked = re.fullmatch(r"(\w+) faces (\w+) and turns ([\w, ]+)\. Which way does \1 face now\?", text)
    assert asked
    compass = {"north": 0 + 1j, "south": 0 - 1j, "east": 1 + 0j, "west": -1 + 0j}
    course = compass[asked[2]]
    for move in asked[3].split(", then "):
        course *= {"left": 1j, "right": -1j, "around": -1}[move]
    (found,) = (name for name, way in compass.items() if way == course)
    return found


def _swapped(text: str) -> str:
    has = dict(re.findall(r"(\w+) has (a \w+)", text))
    for first, second in re.findall(r"(\w+) and (\w+) swap what they have\.", text):
        has = {name: has[{first: second, second: first}.get(name, name)] for name in has}
    asked = re.search(r"What does (\w+) have now\?", text)
    assert asked
    assert len(has) == 4
    return has[asked[1]]


def _related(text: str) -> str:
    parents = [(a, b) for a, b in re.findall(r"(\w+) is a parent of (\w+)\.", text)]
    asked = re.search(r"Who is the (great-)?grand(parent|child) of (\w+)\?", text)
    assert asked
    if asked[2] == "child":
        parents = [(b, a) for a, b in parents]
    reached = {asked[3]}
    for _ in range(3 if asked[1] else 2):
        reached = {a for a, b in parents if b in reached}
    (found,) = reached
    return found


STORIES: dict[str, Callable[..., str]] = {
    r"\w+ has (\d+) (\w+), gives away (\d+) and gets (\d+) more\. How many \2 .*": lambda n, _, m, k: str(
        len([*range(int(n))][int(m) :]) + int(k)
    ),
    r"\w+ has (\d+) (\w+) and buys (\d+) boxes of (\d+) \2 each\. How many \2 .*": lambda n, _, b, e: str(
        int(n) + len(list(product(range(int(b)), range(int(e)))))
    ),
    r"\w+ fills (\d+) boxes with (\d+) (\w+) each and then loses (\d+) \3\. How many \3 .*": lambda b, e, _, m: str(
        len(list(product(range(int(b)), range(int(e))))[int(m) :])
    ),
}


def _aged(text: str) -> str:
    asked = re.fullmatch(
        r"(\w+) is (\d+) years old\. (\w+) is (\d+) years (older|younger) than \1\. "
        r"How old will \3 be in (\d+) years\?",
        text,
    )
    assert asked
    (now,) = (
        age
        for age in range(120)
        if (age - int(asked[2]) if asked[5] == "older" else int(asked[2]) - age) == int(asked[4])
    )
    return str(now + int(asked[6]))


def _eliminated(text: str) -> str:
    names = re.match(r"(\w+), (\w+), (\w+) and (\w+) each have one pet", text)
    asked = re.search(r"Which pet does (\w+) have\?", text)
    assert names
    assert asked
    clues = re.findall(r"(\w+) does not have the (\w+)\.", text)
    ways = [dict(zip(names.groups(), order, strict=True)) for order in permutations(("cat", "dog", "rabbit", "parrot"))]
    (way,) = (way for way in ways if all(way[name] != pet for name, pet in clues))
    return f"the {way[asked[1]]}"


SOLVERS: dict[str, Callable[[str], str]] = {
    "order": _order,
    "turns": _turned,
    "swaps": _swapped,
    "family": _related,
    "story": lambda text: _matched(text, STORIES),
    "ages": _aged,
    "elimination": _eliminated,
}


@pytest.mark.parametrize("group", SOLVERS)
def test_reasoning(group: str) -> None:
    some: list[Item] = [item for item in items("reasoning") if item["group"] == group]
    assert len(some) >= 20
    for item in some:
        assert right(item) == SOLVERS[group](item["question"]), item


def test_every_problem_has_a_solver() -> None:
    assert {item["group"] for item in items("reasoning")} == set(SOLVERS)
