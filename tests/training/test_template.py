"""Which template a run uses, and that masks hold for other families of tokenizers than the tiny base's."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.training.conversations import rendered
from gate.training.encoding import encoded
from gate.training.template import TemplateError, resolved_template
from tests.training.rows_made import chat, message, plain_run, row

LLAMA_2 = (
    "{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0].content %}"
    "{% else %}{% set rest = messages %}{% set system = none %}{% endif %}"
    "{% for message in rest %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% set content = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + message.content if loop.first and system is not none "
    "else message.content %}"
    "{% if message.role == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def metaspace() -> Any:
    """A tokenizer as Llama 2 has one: a blank is a letter, each text begins with one, unknown letters are bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    learning = Tokenizer(models.BPE(unk_token="<unk>"))
    learning.pre_tokenizer = pre_tokenizers.Metaspace()
    words = ["the lamp of the harbour", "a rope and a chart [INST] [/INST] <<SYS>>", "ships that pass in the night"]
    learning.train_from_iterator(
        words * 5, trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>"], show_progress=False)
    )
    model = json.loads(learning.to_str())["model"]
    for byte in range(256):
        model["vocab"].setdefault(f"<0x{byte:02X}>", len(model["vocab"]))
    merges = [tuple(each) for each in model["merges"]]
    tokenizer = Tokenizer(models.BPE(model["vocab"], merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


said = st.text(st.sampled_from("the lamp of harbourx é🦉"), min_size=1, max_size=20).map(str.strip).filter(bool)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.lists(st.tuples(said, said), min_size=1, max_size=3))
def test_masks_of_a_tokenizer_whose_blank_is_a_letter(
    metaspace: Any, tmp_path: Path, system: bool, turns: list[tuple[str, str]]
) -> None:
    messages = [message("system", "be brief")] if system else []
    for asked, answer in turns:
        messages += chat(("user", asked), ("assistant", answer))
    template = resolved_template(plain_run(tmp_path / "run", tmp_path, LLAMA_2), metaspace)
    written = rendered(one := row(messages), template)
    [tokens] = encoded([written.text], [written.spans], [one.id], metaspace)
    learned = [metaspace.decode(tokens.ids[start:end]).strip() for start, end in tokens.learned]
    assert learned == [f"{answer} </s>" for _, answer in turns]
    for start, _ in tokens.learned:
        assert metaspace.decode(tokens.ids[:start]).endswith("[/INST]")


def test_an_answer_that_cannot_be_told_apart_is_refused(metaspace: Any, tmp_path: Path) -> None:
    plain = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.role == 'assistant' %}</s>{% endif %}{% endfor %}"
    )
    plain += "{% if add_generation_prompt %}assistant: {% endif %}"
    template = resolved_template(plain_run(tmp_path / "run", tmp_path, plain), metaspace)
    written = rendered(one := row(chat(("user", "a"), ("assistant", "the lamp"))), template)
    with pytest.raises(TemplateError, match="in one token"):
        encoded([written.text], [written.spans], [one.id], metaspace)


def test_a_base_with_several_templates_uses_the_default_and_the_one_for_tools(metaspace: Any, tmp_path: Path) -> None:
    both = {"default": "plain{{ messages[0].content }}", "tool_use": "tools{{ messages[0].content }}"}
    tokenizer = SimpleNamespace(chat_template=both, special_tokens_map={})
    run = plain_run(tmp_path / "run", tmp_path)
    template = resolved_template(run, tokenizer)  # type: ignore[arg-type]
    messages: Any = [{"role": "user", "content": "x"}]
    assert template.render(messages, None) == "plainx"
    assert template.render(messages, [{"name": "add"}]) == "toolsx"
    only = SimpleNamespace(chat_template={"rag": "x"}, special_tokens_map={})
    with pytest.raises(UsageError, match="no chat template called default, only rag"):
        resolved_template(run, only)  # type: ignore[arg-type]
    assert resolved_template(plain_run(tmp_path / "other", tmp_path, "mine"), tokenizer).text == "mine"  # type: ignore[arg-type]


def test_a_template_is_sandboxed_and_knows_the_clock(tmp_path: Path) -> None:
    tokenizer = SimpleNamespace(chat_template=None, special_tokens_map={})
    reading = resolved_template(plain_run(tmp_path / "a", tmp_path, "{{ strftime_now('%d') }}"), tokenizer)  # type: ignore[arg-type]
    assert reading.reads_clock
    escaping = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    hostile = resolved_template(plain_run(tmp_path / "b", tmp_path, escaping), tokenizer)  # type: ignore[arg-type]
    assert not hostile.reads_clock
    with pytest.raises(TemplateError, match="fails on this conversation"):
        rendered(row(chat(("user", "a"), ("assistant", "b"))), hostile)
