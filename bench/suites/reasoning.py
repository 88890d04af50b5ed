"""Short reasoning: an order, turns, swaps, a family, a story with numbers, ages, and who has what. Names, things and
numbers are drawn; the answer follows from what an item says, and from nothing else."""

from __future__ import annotations

import random
from itertools import pairwise, permutations

from bench.suites.items import Question, facts, near, others, turns

NAMES: list[str] = facts("words")["names"]
COMPARED = {"older": ("oldest", "youngest"), "faster": ("fastest", "slowest"), "heavier": ("heaviest", "lightest")}
COURSES = ("north", "east", "south", "west")
THINGS = ("coin", "button", "shell", "marble", "ring", "stamp")
PETS = ("cat", "dog", "rabbit", "parrot")
NEAR = (1, 2, 3, 4, 5)
"""How far wrong numbers lie from right ones."""
GOODS = ("pears", "stickers", "pencils", "walnuts", "postcards", "candles", "buttons", "plums")


def _three(pool: list[str] | tuple[str, ...], right: str) -> tuple[str, str, str]:
    first, second, third = (each for each in pool if each != right)
    return first, second, third


def reasoning(draw: random.Random) -> list[Question]:
    """Seven kinds, thirty or more of each."""
    made = [*_orders(draw), *_turns(draw), *_swaps(draw), *_families(draw), *_stories(draw), *_ages(draw), *_pets(draw)]
    return [
        Question(each.group, f"{each.group} {at}", each.text, each.right, each.wrong) for at, each in enumerate(made)
    ]


def _orders(draw: random.Random) -> list[Question]:
    """Who is first, second or last of four, from three comparisons in any order."""
    made = []
    for at in range(36):
        more, (most, least) = draw.choice(list(COMPARED.items()))
        people = draw.sample(NAMES, 4)
        said = [f"{a} is {more} than {b}." for a, b in pairwise(people)]
        draw.shuffle(said)
        asked, place = ((most, 0), (f"second {most}", 1), (f"second {least}", 2), (least, 3))[at % 4]
        text = f"{' '.join(said)} Who is the {asked} of the four?"
        made.append(Question("order", "", text, people[place], _three(people, people[place])))
    return made


def _turns(draw: random.Random) -> list[Question]:
    made = []
    for _ in range(34):
        name, course = draw.choice(NAMES), draw.randrange(4)
        moves = [draw.choice(("left", "right", "around")) for _ in range(draw.randrange(2, 5))]
        end = (course + sum({"left": 3, "right": 1, "around": 2}[move] for move in moves)) % 4
        text = f"{name} faces {COURSES[course]} and turns {', then '.join(moves)}. Which way does {name} face now?"
        made.append(Question("turns", "", text, COURSES[end], _three(COURSES, COURSES[end])))
    return made


def _swaps(draw: random.Random) -> list[Question]:
    made = []
    for _ in range(34):
        people, things = draw.sample(NAMES, 4), draw.sample(THINGS, 4)
        has = dict(zip(people, things, strict=True))
        said = ", ".join(f"{name} has a {thing}" for name, thing in has.items())
        swaps = []
        for _ in range(draw.randrange(2, 4)):
            first, second = draw.sample(people, 2)
            has[first], has[second] = has[second], has[first]
            swaps.append(f"{first} and {second} swap what they have.")
        asked = draw.choice(people)
        text = f"{said}. {' '.join(swaps)} What does {asked} have now?"
        right = f"a {has[asked]}"
        made.append(Question("swaps", "", text, right, _three([f"a {each}" for each in things], right)))
    return made


def _families(draw: random.Random) -> list[Question]:
    """A chain of parents; a grandparent, a great-grandparent or a grandchild is asked for."""
    made = []
    for at in range(34):
        people = draw.sample(NAMES, 5)
        said = [f"{a} is a parent of {b}." for a, b in pairwise(people)]
        draw.shuffle(said)
        relation, asked, right = (
            ("grandparent", people[2], people[0]),
            ("great-grandparent", people[3], people[0]),
            ("grandchild", people[1], people[3]),
            ("great-grandchild", people[1], people[4]),
        )[at % 4]
        text = f"{' '.join(said)} Who is the {relation} of {asked}?"
        wrong = others(people, [asked, right], draw)
        made.append(Question("family", "", text, right, wrong))
    return made


def _stories(draw: random.Random) -> list[Question]:
    made = []
    for rank in turns(draw, 36):
        name, things = draw.choice(NAMES), draw.choice(GOODS)
        start, more, lost = draw.randrange(12, 30), draw.randrange(3, 12), draw.randrange(2, 10)
        boxes, each = draw.randrange(3, 6), draw.randrange(4, 8)
        told: tuple[tuple[str, int], ...] = (
            (f"has {start} {things}, gives away {lost} and gets {more} more.", start - lost + more),
            (f"has {start} {things} and buys {boxes} boxes of {each} {things} each.", start + boxes * each),
            (f"fills {boxes} boxes with {each} {things} each and then loses {lost} {things}.", boxes * each - lost),
        )
        story, right = draw.choice(told)
        text = f"{name} {story} How many {things} does {name} have now?"
        made.append(Question("story", "", text, str(right), near(right, rank, NEAR, draw)))
    return made


def _ages(draw: random.Random) -> list[Question]:
    made = []
    for rank in turns(draw, 36):
        first, second = draw.sample(NAMES, 2)
        age, apart, later = draw.randrange(8, 40), draw.randrange(2, 7), draw.randrange(2, 9)
        sign, word = draw.choice(((1, "older"), (-1, "younger")))
        text = (
            f"{first} is {age} years old. {second} is {apart} years {word} than {first}. "
            f"How old will {second} be in {later} years?"
        )
        right = age + sign * apart + later
        made.append(Question("ages", "", text, str(right), near(right, rank, NEAR, draw)))
    return made


def _pets(draw: random.Random) -> list[Question]:
    """Each of four has another pet; clues are drawn until one way alone is left."""
    made = []
    while len(made) < 30:
        people = draw.sample(NAMES, 4)
        truth = dict(zip(people, draw.sample(PETS, 4), strict=True))
        clues: list[tuple[str, str]] = []
        left = [dict(zip(people, order, strict=True)) for order in permutations(PETS)]
        while len(left) > 1:
            name = draw.choice(people)
            pet = draw.choice([each for each in PETS if each != truth[name]])
            kept = [way for way in left if way[name] != pet]
            if len(kept) < len(left):
                clues, left = [*clues, (name, pet)], kept
        if len(clues) > 6:
            continue
        said = " ".join(f"{name} does not have the {pet}." for name, pet in clues)
        asked = draw.choice(people)
        *most, last = people
        text = (
            f"{', '.join(most)} and {last} each have one pet: a cat, a dog, a rabbit or a parrot, all different. "
            f"{said} Which pet does {asked} have?"
        )
        right = f"the {truth[asked]}"
        made.append(Question("elimination", "", text, right, _three([f"the {each}" for each in PETS], right)))
    return made
