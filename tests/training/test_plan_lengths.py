"""Lengths in tokens, counted without transformers: they are what transformers counts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate.errors import InputError
from gate.training.plan_lengths import token_lengths
from tests.training.made import Approved, additions

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
CONVERSATIONS = [
    {"messages": [{"role": "user", "content": f"What is {at} and one?"}, {"role": "assistant", "content": "x" * at}]}
    for at in range(1, 40)
] + [
    {
        "tools": TOOLS,
        "messages": [
            {"role": "system", "content": "Use tools."},
            {"role": "user", "content": "Add one and one."},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "2", "tool_call_id": "c1"},
            {"role": "assistant", "content": "Two."},
        ],
    }
]
TEMPLATE = (
    "{{ bos_token | default('') }}{% if tools %}{{ tools | tojson }}{% endif %}{% for message in messages %}\n"
    "  <|{{ message.role }}|>{% generation %}{{ message['content'] | trim }}{% endgeneration %}"
    "{% for call in message.tool_calls or [] %}{{ call.function.name }}({{ call.function.arguments | tojson }})"
    "{% if loop.first %}{% continue %}{% endif %}{% endfor %}<|end|>\n{% endfor %}"
)


def counted_by_transformers(base: Path, approved: Approved, template: str | None = None) -> list[int]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    found = []
    for row in approved.opened.frame("train").iter_rows(named=True):
        messages: list[dict[str, Any]] = []
        for each in row["messages"]:
            message = {"role": each["role"], "content": each["content"] or ""}
            if each["tool_calls"]:
                message["tool_calls"] = json.loads(each["tool_calls"])
                for call in message["tool_calls"]:
                    call["function"]["arguments"] = json.loads(call["function"]["arguments"])
            messages.append(message)
        tools = json.loads(row["tools"]) if row["tools"] else None
        rendered = tokenizer.apply_chat_template(messages, tools=tools, chat_template=template, return_dict=True)
        found.append(len(rendered["input_ids"]))
    return found


@pytest.fixture(scope="module")
def talks(seal: Callable[..., Approved]) -> Approved:
    return seal(CONVERSATIONS, additions(0, 5)[:10], name="talks")


def test_conversations_are_as_long_as_transformers_says(tiny_base: Path, talks: Approved) -> None:
    found = token_lengths(talks.opened, tiny_base)
    assert found.tokens.tolist() == counted_by_transformers(tiny_base, talks)
    assert (found.template, found.refused, found.kind) == ("chat_template.jinja", 0, "chat")
    assert found.examples == len(CONVERSATIONS)
    assert found.total == found.tokens.sum()


def test_so_are_they_under_a_template_that_was_named(tiny_base: Path, talks: Approved) -> None:
    found = token_lengths(talks.opened, tiny_base, TEMPLATE)
    assert found.tokens.tolist() == counted_by_transformers(tiny_base, talks, TEMPLATE)
    assert found.template == "--chat-template"


def test_percentiles_are_lengths_that_there_are(tiny_base: Path, talks: Approved) -> None:
    found = token_lengths(talks.opened, tiny_base)
    for share in (0.5, 0.95):
        length = found.percentile(share)
        assert length in found.tokens
        assert (found.tokens <= length).mean() >= share
    assert found.above(found.longest) == 0
    assert found.above(found.longest - 1) >= 1


def test_text_and_preferences_are_counted_as_they_are_read(tiny_base: Path, seal: Callable[..., Approved]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    words = [f"The lamp of harbour {at} is lit. " * at for at in range(1, 20)]
    texts = seal([{"text": each} for each in words], name="texts")
    found = token_lengths(texts.opened, tiny_base)
    assert sorted(found.tokens) == sorted(len(tokenizer(each)["input_ids"]) for each in words)
    assert (found.kind, found.template) == ("text", None)

    pairs = [{"prompt": f"Say {at}.", "chosen": "yes " * at, "rejected": "no"} for at in range(1, 20)]
    preferences = token_lengths(seal(pairs, name="pairs").opened, tiny_base)
    assert preferences.kind == "preference"
    assert preferences.total > preferences.tokens.sum()  # both answers are read; the longer one is the length


def test_special_tokens_are_added_to_plain_text_only(
    tiny_base: Path, talks: Approved, seal: Callable[..., Approved], tmp_path: Path
) -> None:
    """A template writes them itself; the trainer adds none to what it wrote either."""
    from tokenizers import Tokenizer, processors

    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<|pad|> $A", special_tokens=[("<|pad|>", 0)])
    tokenizer.save(str(base / "tokenizer.json"))
    texts = seal([{"text": f"The lamp of harbour {at} is lit."} for at in range(12)], name="lamps")
    plain, marked = (token_lengths(texts.opened, each).tokens for each in (tiny_base, base))
    assert (marked == plain + 1).all()
    same, still = (token_lengths(talks.opened, each).tokens for each in (tiny_base, base))
    assert (same == still).all()


def test_a_template_that_fails_is_said_and_not_believed(tiny_base: Path, talks: Approved) -> None:
    refusing = "{% if tools %}{{ raise_exception('no tools here') }}{% endif %}{{ messages[0].content }}"
    found = token_lengths(talks.opened, tiny_base, refusing)
    assert (found.refused, found.why) == (1, "no tools here")
    assert found.examples == len(CONVERSATIONS)


def test_a_template_cannot_reach_out(tiny_base: Path, talks: Approved) -> None:
    hostile = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    assert token_lengths(talks.opened, tiny_base, hostile).refused == len(CONVERSATIONS)
    with pytest.raises(InputError, match="cannot be used"):
        token_lengths(talks.opened, tiny_base, "{% for %}")


def test_a_base_without_a_template_or_tokenizer_says_so(tiny_base: Path, talks: Approved, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / "chat_template.jinja").unlink()
    bare = token_lengths(talks.opened, base)
    assert bare.template is None
    assert bare.tokens.min() > 0
    (base / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="no tokenizer"):
        token_lengths(talks.opened, base)
    (base / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        token_lengths(talks.opened, base)


def test_of_several_kinds_the_most_frequent_that_fits_is_counted(
    tiny_base: Path, seal: Callable[..., Approved]
) -> None:
    pairs = [{"prompt": row["instruction"], "chosen": row["output"], "rejected": "no"} for row in additions(40, 52)]
    rows = additions(20, 40)
    more = {"pairs/train.jsonl": pairs[:110], "pairs/validation.jsonl": pairs[110:130]}
    mixed = seal(rows[:150], rows[150:180], more=more, name="kinds").opened
    found = token_lengths(mixed, tiny_base)
    assert (found.kind, found.examples, found.others) == ("chat", 150, 110)
    assert (found.splits["train"], found.splits["validation"]) == (150, 30)
    other = token_lengths(mixed, tiny_base, fitting=("preference",))
    assert (other.kind, other.examples, other.others) == ("preference", 110, 150)
    assert other.splits["validation"] == 20
    assert token_lengths(mixed, tiny_base, fitting=("text",)).kind == "chat"  # the recipe is refused for it
