"""What of a conversation is learned: the assistant's words and their end, whatever the template."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.tiny_base import TEMPLATE
from gate.errors import UsageError
from gate.training.template import TemplateError, resolved_template
from gate.training.tokens import Tokens, chat_tokens, class_tokens, text_tokens
from tests.training.rows_made import chat, message, plain_run, row, rows_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from gate.training.rows import Row

MARKED = (
    "{% for message in messages %}<|{{ message.role }}|>{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content }}<|end|>{% endgeneration %}{% else %}{{ message.content }}<|end|>{% endif %}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MARKED_CONTENT = MARKED.replace("<|end|>{% endgeneration %}", "{% endgeneration %}<|end|>")
# Thoughts are written before the last answer alone, as Qwen3's template does it.
THOUGHTFUL = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% if loop.last and message.role == 'assistant' %}(no thought){% endif %}{{ message.content }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
COUNTING = "{{ messages|length }}" + TEMPLATE  # what comes first depends on what comes last
PLAIN = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}{% if message.role == 'assistant' %}<|end|>"
    "{% endif %}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)
ENDLESS = TEMPLATE.replace("<|end|>", "")
TOOLS = (
    "{% if tools %}<|system|>{% for tool in tools %}{{ tool | tojson }}{% endfor %}<|end|>\n{% endif %}"
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{% for call in message.tool_calls or [] %}CALL {{ call.function.name }} {{ call.function.arguments | tojson }}"
    "{% endfor %}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
JOINING = TOOLS.replace("{{ call.function.arguments | tojson }}", "{{ '' + call.function.arguments }}")


@pytest.fixture(scope="module")
def loaded(tiny_base: Path) -> PreTrainedTokenizerFast:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


@pytest.fixture
def tokenizer(loaded: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    return copy.deepcopy(loaded)


def learned(tokens: Tokens, tokenizer: PreTrainedTokenizerFast, at: int = 0) -> list[str]:
    """The stretches of an example that are learned, as text."""
    example = tokens.train[at]
    pieces: list[list[int]] = []
    last = None
    for position, (token, label) in enumerate(zip(example["input_ids"], example["labels"], strict=True)):
        assert label in (-100, token)
        if label != -100:
            if last != position - 1:
                pieces.append([])
            pieces[-1].append(token)
            last = position
    return [tokenizer.decode(each) for each in pieces]


def made(rows: list[Row], tokenizer: Any, base: Path, folder: Path, template: str | None = None, **keys: Any) -> Tokens:
    return chat_tokens(rows_of(rows), tokenizer, plain_run(folder, base, template, **keys))


text = st.text(st.characters(exclude_categories=("Cs",)), max_size=30).filter(lambda said: "<|" not in said)
words = st.tuples(text, text).map(lambda pair: (pair[0] or "a", pair[1] or "b"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.tuples(text, text.filter(bool), st.booleans()), min_size=1, max_size=4)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([None, MARKED, MARKED_CONTENT, PLAIN]),
)
def test_exactly_the_assistants_content_and_its_end_are_learned(
    tiny_base: Path, loaded: Any, tmp_path: Path, conversations: Any, template: str | None
) -> None:
    rows, answers = [], []
    for number, (system, turns) in enumerate(conversations):
        messages = [message("system", f"be brief {number}")] if system else []
        for asked, answer, tool in turns:
            messages += [message("user", asked), message("assistant", answer)]
            if tool:
                messages += [message("tool", "42"), message("assistant", "so it is 42")]
        rows.append(row(messages))
        answers.append([each["content"] for each in messages if each["role"] == "assistant"])
    tokens = made(rows, loaded, tiny_base, tmp_path / "run", template)
    assert len(tokens.train) == len(rows)
    for at, expected in enumerate(answers):
        assert learned(tokens, loaded, at) == [f"{answer}<|end|>" for answer in expected]
        shown = loaded.decode(tokens.train[at]["input_ids"])
        assert shown == resolved(rows[at], loaded, tiny_base, tmp_path, template).rstrip("\n")


def resolved(one: Row, tokenizer: Any, base: Path, folder: Path, template: str | None) -> str:
    """What transformers itself makes of a conversation."""
    messages = [{"role": each["role"], "content": each["content"]} for each in one.messages]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, chat_template=template))


def test_a_template_that_writes_earlier_turns_in_another_way(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    turns = chat(("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four"))
    tokens = made([row(turns)], tokenizer, tiny_base, tmp_path / "run", THOUGHTFUL)
    assert learned(tokens, tokenizer) == ["two<|end|>", "(no thought)four<|end|>"]


@pytest.mark.parametrize(
    "template", [COUNTING, TEMPLATE.replace("<|end|>", "{% if not loop.last %}!{% endif %}<|end|>")]
)
def test_a_template_whose_prefixes_are_none_is_refused(
    template: str, tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    turns = chat(("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four"))
    with pytest.raises(TemplateError, match="in another way than in the whole conversation") as caught:
        made([one := row(turns)], tokenizer, tiny_base, tmp_path / "run", template)
    assert one.id[:12] in str(caught.value)
    assert "{% generation %}" in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_template_without_an_end_of_turn_is_refused(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="would never learn to stop"):
        made([row(chat(("user", "one"), ("assistant", "two")))], tokenizer, tiny_base, tmp_path / "run", ENDLESS)


def test_a_template_that_marks_only_some_answers_is_refused(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    some = MARKED.replace("message.role == 'assistant'", "message.role == 'assistant' and loop.last")
    turns = chat(("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four"))
    with pytest.raises(TemplateError, match="marks 1 of its 2 answers"):
        made([row(turns)], tokenizer, tiny_base, tmp_path / "run", some)


def test_an_answer_begins_with_a_token_of_its_own_even_where_the_tokenizer_would_join_it(
    tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    joined = tokenizer.encode("assistant: the", add_special_tokens=False)
    apart = tokenizer.encode("assistant: ") + tokenizer.encode("the")
    assert joined != apart, "or this test says nothing"
    tokens = made([row(chat(("user", "a"), ("assistant", "the")))], tokenizer, tiny_base, tmp_path / "run", PLAIN)
    prompt, answer = tokenizer.encode("user: aassistant: "), tokenizer.encode("the")
    assert tokens.train[0]["input_ids"] == [*prompt, *answer, tokenizer.eos_token_id]
    assert learned(tokens, tokenizer) == ["the<|end|>"]


CALL = [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]
TOOL = [{"type": "function", "function": {"name": "add", "parameters": {}}}]


@pytest.mark.parametrize("template", [TOOLS, JOINING])
def test_tools_reach_the_template_and_calls_are_learned(
    template: str, tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    turns = [
        message("user", "1 + 2?"),
        message("assistant", None, tool_calls=json.dumps(CALL)),
        message("tool", "3", tool_call_id="c1"),
        message("assistant", "three"),
    ]
    tokens = made([row(turns, tools=json.dumps(TOOL))], tokenizer, tiny_base, tmp_path / "run", template)
    assert learned(tokens, tokenizer) == ['CALL add {"a": 1}<|end|>', "three<|end|>"]
    assert '"parameters": {}' in tokenizer.decode(tokens.train[0]["input_ids"])


def test_tool_calls_that_are_no_json(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    turns = [message("user", "a"), message("assistant", None, tool_calls="add(1, 2)")]
    with pytest.raises(TemplateError, match="its tool calls are no JSON list"):
        made([row(turns)], tokenizer, tiny_base, tmp_path / "run", TOOLS)


def test_a_template_that_refuses_a_role_names_the_row_and_the_roles(
    tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system, please') }}{% endif %}" + TEMPLATE
    turns = chat(("system", "be brief"), ("user", "one"), ("assistant", "two"))
    with pytest.raises(TemplateError, match=r"\(system user assistant\): no system, please") as caught:
        made([one := row(turns)], tokenizer, tiny_base, tmp_path / "run", strict)
    assert one.id[:12] in str(caught.value)
    other = row(chat(("system", "be long"), ("user", "one"), ("assistant", "two")))
    with pytest.raises(TemplateError, match=r"no system, please \(and so does 1 more row\)"):
        made([one, row(turns[1:]), other], tokenizer, tiny_base, tmp_path / "three", strict)


def test_a_template_that_passes_over_a_role_is_refused(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    deaf = TEMPLATE.replace(
        "{% for message in messages %}", "{% for message in messages if message.role != 'system' %}"
    )
    turns = chat(("system", "be brief"), ("user", "one"), ("assistant", "two"))
    with pytest.raises(TemplateError, match=r"leaves out message 1 \(system\)"):
        made([row(turns)], tokenizer, tiny_base, tmp_path / "run", deaf)
    tokens = made([row(turns[1:])], tokenizer, tiny_base, tmp_path / "other", deaf)
    assert learned(tokens, tokenizer) == ["two<|end|>"]
    dumb = TEMPLATE.replace(
        "{{ message['content'] }}", "{% if message.role != 'assistant' %}{{ message.content }}{% endif %}"
    )
    with pytest.raises(TemplateError, match=r"leaves out message 2 \(assistant\)"):
        made([row(chat(("user", "say two"), ("assistant", "two")))], tokenizer, tiny_base, tmp_path / "dumb", dumb)


def test_a_base_without_a_template_needs_one_named(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    tokenizer.chat_template = None
    rows = [row(chat(("user", "one"), ("assistant", "two")))]
    with pytest.raises(UsageError, match="no chat template, and gate does not guess one"):
        made(rows, tokenizer, tiny_base, tmp_path / "run")
    assert learned(made(rows, tokenizer, tiny_base, tmp_path / "run", TEMPLATE), tokenizer) == ["two<|end|>"]


def test_the_templates_digest_is_that_of_its_text(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    import hashlib

    run = plain_run(tmp_path / "run", tiny_base)
    assert resolved_template(run, tokenizer).digest == hashlib.sha256(TEMPLATE.encode()).hexdigest()
    named = plain_run(tmp_path / "other", tiny_base, MARKED)
    assert resolved_template(named, tokenizer).digest == hashlib.sha256(MARKED.encode()).hexdigest()


# --- What is too long ---


def long_one(words: int) -> Row:
    return row(chat(("user", "say it"), ("assistant", " ".join(str(at) for at in range(words)))))


@pytest.mark.parametrize("most", range(2, 40))
def test_a_long_one_is_cut_or_dropped_and_every_token_is_accounted_for(
    most: int, tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    whole = made([long_one(8)], tokenizer, tiny_base, tmp_path / "whole")
    full = whole.train[0]
    first = next(at for at, label in enumerate(full["labels"]) if label != -100)
    tokens = made([long_one(0), long_one(8)], tokenizer, tiny_base, tmp_path / "run", max_length=most)
    outcome = tokens.account.outcomes[1]
    assert outcome.needed == len(full["input_ids"])
    if most <= first:
        assert (outcome.reason, outcome.kept) == ("nothing_left", 0)
    else:
        cut = tokens.train[len(tokens.train) - 1]
        assert cut["input_ids"] == full["input_ids"][:most]
        assert cut["labels"] == full["labels"][:most]
        assert outcome.kept + outcome.cut == outcome.needed
        assert outcome.lost_end == (most < outcome.needed)


def test_a_recipe_may_rather_drop_what_would_be_cut(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    rows = [long_one(0), long_one(20)]
    tokens = made(rows, tokenizer, tiny_base, tmp_path / "run", max_length=30, drop_truncated=True)
    assert len(tokens.train) == 1
    outcome = tokens.account.outcomes[1]
    assert (outcome.reason, outcome.least, outcome.cut) == ("truncated", outcome.needed, 0)


def test_a_conversation_without_an_answer_is_dropped(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    rows = [long_one(3), row(chat(("user", "anybody?")))]
    tokens = made(rows, tokenizer, tiny_base, tmp_path / "run")
    assert [outcome.reason for outcome in tokens.account.outcomes] == [None, "nothing_to_learn"]


def test_what_stands_behind_the_last_answer_is_left_off_and_not_counted_as_cut(
    tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    turns = chat(("user", "one"), ("assistant", "two"), ("user", "and then " * 50))
    tokens = made([row(turns)], tokenizer, tiny_base, tmp_path / "run", max_length=20)
    assert tokenizer.decode(tokens.train[0]["input_ids"]) == "<|user|>one<|end|>\n<|assistant|>two<|end|>"
    assert tokens.account.outcomes[0].cut == 0


def test_more_than_the_base_can_read_is_refused(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="max_length is 2,048, and the base can read 1,024"):
        made([long_one(1)], tokenizer, tiny_base, tmp_path / "run", max_length=2048)
    with pytest.raises(UsageError, match=r"1,004 tokens \(1,024 less 20 virtual tokens\)"):
        made([long_one(1)], tokenizer, tiny_base, tmp_path / "other", max_length=1024, method="prefix")
    tokens = made([long_one(1)], tokenizer, tiny_base, tmp_path / "third", method="prefix")
    assert tokens.account.limits.max_length == 1004


# --- Texts and classes ---


@given(st.integers(2, 12), st.lists(st.integers(1, 60), min_size=1, max_size=6))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_a_long_text_every_token_but_the_first_is_predicted_once(
    loaded: Any, tiny_base: Path, tmp_path: Path, most: int, lengths: list[int]
) -> None:
    rows = [row(text=" ".join(f"{number} {at}" for at in range(length))) for number, length in enumerate(lengths)]
    run = plain_run(tmp_path / "run", tiny_base, objective="pretrain", max_length=most)
    tokens = text_tokens(rows_of(rows), loaded, run)
    predicted = [token for example in tokens.train for token in example["labels"][1:]]
    assert max(len(example["input_ids"]) for example in tokens.train) <= most
    expected = [[*loaded.encode(one.text), loaded.eos_token_id] for one in rows]
    assert predicted == [token for ids in expected for token in ids[1:]]
    assert not any(outcome.cut or outcome.reason for outcome in tokens.account.outcomes)
    assert set(tokens.account.placed.draws.tolist()) == set(range(len(rows)))


def test_an_empty_text_is_dropped(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run", tiny_base, objective="pretrain")
    tokens = text_tokens(rows_of([row(text="a b"), row(text="")]), tokenizer, run)
    assert [outcome.reason for outcome in tokens.account.outcomes] == [None, "nothing_to_learn"]


def test_classes_are_the_answers_or_a_column_and_the_answer_is_not_read(
    tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    rows = [row(chat(("user", f"word {at}"), ("assistant", "good" if at % 2 else "bad"))) for at in range(6)]
    tokens = class_tokens(rows_of(rows), tokenizer, plain_run(tmp_path / "a", tiny_base, objective="classify"))
    assert tokens.classes == ("bad", "good")
    assert [example["labels"] for example in tokens.train] == [0, 1, 0, 1, 0, 1]
    assert tokenizer.decode(tokens.train[1]["input_ids"]) == "<|user|>word 1<|end|>\n<|assistant|>"
    named = [row(one.messages, meta=json.dumps({"triage": {"level": at % 3}})) for at, one in enumerate(rows)]
    run = plain_run(tmp_path / "b", tiny_base, objective="classify", label="triage.level")
    tokens = class_tokens(rows_of(named), tokenizer, run)
    assert tokens.classes == ("0", "1", "2")
    assert [example["labels"] for example in tokens.train] == [0, 1, 2, 0, 1, 2]


def test_classes_that_cannot_be_learned(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    same = [row(chat(("user", f"word {at}"), ("assistant", "good"))) for at in range(3)]
    run = plain_run(tmp_path / "a", tiny_base, objective="classify")
    with pytest.raises(UsageError, match="all 3 rows are of one class"):
        class_tokens(rows_of(same), tokenizer, run)
    other = row(chat(("user", "word"), ("assistant", "bad")))
    with pytest.raises(UsageError, match="the validation split has the class 'ugly'"):
        class_tokens(rows_of([*same, other], [row(chat(("user", "x"), ("assistant", "ugly")))]), tokenizer, run)
    run = plain_run(tmp_path / "b", tiny_base, objective="classify", label="level")
    with pytest.raises(UsageError, match="in the column 'level' is missing"):
        class_tokens(rows_of([*same, other]), tokenizer, run)
