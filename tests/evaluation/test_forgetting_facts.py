"""The facts of the forgetting suite: held against a second table that was written down on its own, against the time
zone database, and against themselves."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files

import pytest

from bench.suites.items import facts
from bench.suites.knowledge import elements
from tests.evaluation.suite_items import Item, items, right

# The periodic table once more, by columns of the long form and by the names' alphabet: not copied from the first one.
PERIODS = (
    "H He", "Li Be B C N O F Ne", "Na Mg Al Si P S Cl Ar",
    "K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr", "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe",
    "Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn",
    "Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og",
)  # fmt: skip
BY_NAME = """actinium 89 aluminium 13 americium 95 antimony 51 argon 18 arsenic 33 astatine 85 barium 56 berkelium 97
beryllium 4 bismuth 83 bohrium 107 boron 5 bromine 35 cadmium 48 caesium 55 calcium 20 californium 98 carbon 6 cerium 58
chlorine 17 chromium 24 cobalt 27 copernicium 112 copper 29 curium 96 darmstadtium 110 dubnium 105 dysprosium 66
einsteinium 99 erbium 68 europium 63 fermium 100 flerovium 114 fluorine 9 francium 87 gadolinium 64 gallium 31
germanium 32 gold 79 hafnium 72 hassium 108 helium 2 holmium 67 hydrogen 1 indium 49 iodine 53 iridium 77 iron 26
krypton 36 lanthanum 57 lawrencium 103 lead 82 lithium 3 livermorium 116 lutetium 71 magnesium 12 manganese 25
meitnerium 109 mendelevium 101 mercury 80 molybdenum 42 moscovium 115 neodymium 60 neon 10 neptunium 93 nickel 28
nihonium 113 niobium 41 nitrogen 7 nobelium 102 oganesson 118 osmium 76 oxygen 8 palladium 46 phosphorus 15 platinum 78
plutonium 94 polonium 84 potassium 19 praseodymium 59 promethium 61 protactinium 91 radium 88 radon 86 rhenium 75
rhodium 45 roentgenium 111 rubidium 37 ruthenium 44 rutherfordium 104 samarium 62 scandium 21 seaborgium 106 selenium 34
silicon 14 silver 47 sodium 11 strontium 38 sulfur 16 tantalum 73 technetium 43 tellurium 52 tennessine 117 terbium 65
thallium 81 thorium 90 thulium 69 tin 50 titanium 22 tungsten 74 uranium 92 vanadium 23 xenon 54 ytterbium 70 yttrium 39
zinc 30 zirconium 40"""
LATIN = {"Na": "natrium", "K": "kalium", "Fe": "ferrum", "Cu": "cuprum", "Ag": "argentum", "Sn": "stannum",
         "Sb": "stibium", "W": "wolfram", "Au": "aurum", "Hg": "hydrargyrum", "Pb": "plumbum"}  # fmt: skip


def test_elements_are_those_of_a_second_table() -> None:
    table = elements()
    assert [symbol for symbol, _ in table] == " ".join(PERIODS).split()
    assert [len(row.split()) for row in PERIODS] == [2, 8, 8, 18, 18, 32, 32]
    words = BY_NAME.split()
    numbers = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    assert list(words[::2]) == sorted(words[::2])
    assert {name: number for number, (_, name) in enumerate(table, 1)} == numbers
    for symbol, name in table:  # a symbol's letters stand in its name in that order, in Latin where not in English
        letters = iter(LATIN.get(symbol, name))
        assert all(letter in letters for letter in symbol.lower()), symbol


def _asked(item: Item, pattern: str) -> str:
    found = re.fullmatch(pattern, item["question"])
    assert found, item
    return found[1]


def test_questions_about_elements() -> None:
    """The answer by the second tables; and no other choice is right."""
    symbols = " ".join(PERIODS).split()
    words = BY_NAME.split()
    number = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    name = {value: key for key, value in number.items()}
    patterns = {
        "symbol": r"Which chemical symbol stands for (\w+)\?",
        "name": r"Which element has the chemical symbol (\w+)\?",
        "number": r"Which element has the atomic number (\d+)\?",
        "atomic number": r"What is the atomic number of (\w+)\?",
    }
    for item in items("elements"):
        asked = _asked(item, patterns[item["group"]])
        expected = {
            "symbol": lambda asked: symbols[number[asked] - 1],
            "name": lambda asked: name[symbols.index(asked) + 1],
            "number": lambda asked: name[int(asked)],
            "atomic number": lambda asked: str(number[asked]),
        }[item["group"]](asked)
        assert [choice for choice in item["choices"] if choice == expected] == [right(item)], item


def test_each_country_has_one_capital_and_each_capital_one_country() -> None:
    pairs = [(country, city) for some in facts("countries").values() for country, city in some.items()]
    assert len(dict(pairs)) == len(pairs)
    assert len({city for _, city in pairs}) == len(pairs)
    capital = dict(pairs)
    country = {city: name for name, city in pairs}
    for item in items("capitals"):
        if item["group"] == "capital":
            assert right(item) == capital[_asked(item, r"What is the capital of (.+)\?")]
            assert set(item["choices"]) <= set(country)
        else:
            assert right(item) == country[_asked(item, r"Which country has the capital (.+)\?")]
            assert set(item["choices"]) <= set(capital)


NAMED_OTHERWISE = {
    "Britain (UK)": "the United Kingdom", "Bosnia & Herzegovina": "Bosnia and Herzegovina",
    "Korea (North)": "North Korea", "Samoa (western)": "Samoa",
    "Congo (Dem. Rep.)": "the Democratic Republic of the Congo", "Trinidad & Tobago": "Trinidad and Tobago",
    "Central African Rep.": "the Central African Republic",
}  # fmt: skip


def test_capitals_that_name_a_time_zone_lie_in_their_country() -> None:
    """The time zone database names zones by their largest city, often the capital, and says in which country it is."""
    folder = files("tzdata") / "zoneinfo"
    rows = [line.split("\t") for line in (folder / "iso3166.tab").read_text("utf-8").splitlines() if line[0] != "#"]
    name = {code: NAMED_OTHERWISE.get(called, called) for code, called in rows}
    capital = {city: (country.removeprefix("the "), continent) for continent, some in facts("countries").items()
               for country, city in some.items()}  # fmt: skip
    found = 0
    for line in (folder / "zone.tab").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        code, _, zone = line.split("\t")[:3]
        city = zone.rpartition("/")[2].replace("_", " ")
        if city in capital:
            assert name[code].removeprefix("the ") == capital[city][0], zone
            found += 1
    assert found >= 55


def test_opposites_are_told_apart_from_words_of_other_fields() -> None:
    table = {part: {field: [pair.split() for pair in some] for field, some in fields.items()}
             for part, fields in facts("antonyms").items()}  # fmt: skip
    for fields in table.values():
        pairs = [pair for some in fields.values() for pair in some]
        assert all(len(pair) == 2 and pair[0] != pair[1] for pair in pairs)
        words = Counter(word for pair in pairs for word in pair)
        assert set(words.values()) == {1}, "a word with two opposites has no answer"
    for item in items("antonyms"):
        fields = table[item["group"]]
        asked = _asked(item, r"What is the opposite of (\w+)\?")
        of = {word: field for field, some in fields.items() for pair in some for word in pair}
        opposite = {a: b for some in fields.values() for pair in some for a, b in (pair, pair[::-1])}
        assert right(item) == opposite[asked]
        assert [choice for choice in item["choices"] if of[choice] == of[asked]] == [right(item)], item


def test_each_word_has_one_translation_and_each_translation_one_word() -> None:
    table = facts("translations")
    words: dict[str, list[str]] = table["words"]
    for column, language in enumerate(table["languages"]):
        foreign = [row[column] for row in words.values()]
        assert len({word.casefold() for word in foreign}) == len(words), language
        assert not {word.casefold() for word in foreign} & set(words), "an English word gives itself away"
    assert all(len(row) == len(table["languages"]) == 6 for row in words.values())
    for item in items("translation"):
        column = table["languages"].index(item["group"])
        if into := re.fullmatch(r'Which \w+ word means "(\w+)"\?', item["question"]):
            assert right(item) == words[into[1]][column]
        else:
            asked = _asked(item, r'What does the \w+ word "(.+)" mean in English\?')
            assert [english for english, row in words.items() if row[column] == asked] == [right(item)]


@pytest.mark.parametrize("language", ["German", "Dutch"])
def test_nouns_are_written_as_the_language_writes_them(language: str) -> None:
    table = facts("translations")
    column = table["languages"].index(language)
    no_nouns = {"black", "white", "seven", "today"}
    for english, row in table["words"].items():
        assert row[column][0].isupper() is (language == "German" and english not in no_nouns), row[column]
