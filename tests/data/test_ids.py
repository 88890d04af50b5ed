"""The same content has the same id; different content never has."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gate.data.ids import Message, identify

texts = st.one_of(st.none(), st.text(max_size=6), st.sampled_from(["", "1:a", "-", "---", "4:user", "1["]))
messages = st.lists(st.tuples(st.text(max_size=4), texts, texts, texts, texts), max_size=3)
Parts = tuple[list[Message] | None, list[Message] | None, list[Message] | None, bool | None, str | None, str | None]
parts = st.tuples(
    st.one_of(st.none(), messages), st.one_of(st.none(), messages), st.one_of(st.none(), messages),
    st.sampled_from([None, True, False]), texts, texts,
)  # fmt: skip


def meaning(value: str | None) -> object:
    """JSON by what it says, with types told apart; other text as it stands."""
    if value is None:
        return None
    try:
        return "json", json.dumps(json.loads(value), sort_keys=True)
    except ValueError:
        return "text", value


def canonical(example: Parts) -> object:
    def of(turns: list[Message] | None) -> object:
        return None if turns is None else [(r, c or "", n, meaning(t), i) for r, c, n, t, i in turns]

    asked, chosen, rejected, label, text, tools = example
    return repr((of(asked), of(chosen), of(rejected), label, text, meaning(tools)))


@given(parts, parts)
def test_ids_are_equal_exactly_when_the_content_is(one: Parts, other: Parts) -> None:
    same = canonical(one) == canonical(other)
    assert (identify("chat", *one)[0] == identify("chat", *other)[0]) == same


def test_text_cannot_move_between_fields_turns_or_lists() -> None:
    u, a = ("user", "ab", None, None, None), ("assistant", "c", None, None, None)
    variants = [
        identify("chat", [u, a]), identify("feedback", [u, a]), identify("chat", [u], [a]),
        identify("chat", [u], None, [a]),
        identify("chat", [("user", "a", None, None, None), ("assistant", "bc", None, None, None)]),
        identify("chat", [("user", "a", "b", None, None), a]), identify("chat", [("user", "a", None, "b", None), a]),
        identify("chat", [("user", "a", None, None, "b"), a]), identify("chat", [("usera", "b", None, None, None), a]),
        identify("chat", [u, a], text="d"), identify("chat", [u, a], tools='"d"'), identify("chat", [u, a], tools="d"),
        identify("chat", [u, a], label=True), identify("chat", [u, a], label=False), identify("chat", [a, u]),
        identify("chat", [u, a, ("user", "", None, None, None)]), identify("chat", []), identify("chat", None),
    ]  # fmt: skip
    assert len({content for content, _ in variants}) == len(variants)


def test_key_order_and_white_space_of_json_do_not_matter() -> None:
    def with_tools(tools: str, calls: str, meta: str) -> tuple[str, str]:
        return identify("chat", [("assistant", None, None, calls, None)], tools=tools, meta=meta)

    one = with_tools('[{"a":1,"b":{"c":2,"d":3}}]', '[{"x":1,"y":2}]', '{"k":1,"l":2}')
    assert one == with_tools('[ {"b": {"d":3, "c":2}, "a":1} ]', '[{"y": 2, "x": 1}]', '{"l":2,"k":1}')
    assert one[0] != with_tools('[{"a":1,"b":{"c":2,"d":"3"}}]', '[{"x":1,"y":2}]', '{"k":1,"l":2}')[0]


def test_meta_is_part_of_the_record_id_only() -> None:
    plain, kept = identify("text", text="a"), identify("text", text="a", meta='{"k":1}')
    assert plain[0] == kept[0]
    assert plain[1] != kept[1]
    assert plain[0] != plain[1]


def test_ids_stay_what_they_are() -> None:
    """A change here orphans every snapshot, waiver and cache: it needs a new version of the encoding."""
    turns: list[Message] = [("user", "Grüße", None, None, None), ("assistant", "Hi", None, '[{"b":1,"a":2}]', None)]
    assert identify("chat", turns, tools='[{"name":"f"}]') == (GOLDEN_CONTENT, GOLDEN_RECORD)


GOLDEN_CONTENT = "c4703c84e79d8004b4b660af356612dd54a7bc8ac1c2141dbc1334a81ccabb2f"
GOLDEN_RECORD = "1392dcc8546d72040d581bdc68b464f15b6c226e880f7f2eaf73fcf2975be576"
