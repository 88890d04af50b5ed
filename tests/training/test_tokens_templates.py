"""Masks under the chat templates of well-known models, as the installed TRL brings them: right, or refused.

TRL has, for many of them, a twin that marks what the assistant generates; where both write the same text, what is
learned must end as the twin says it does.
"""

from __future__ import annotations

import copy
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gate.training.conversations import rendered
from gate.training.encoding import encoded
from gate.training.rows import Row
from gate.training.template import Template, TemplateError
from tests.training.rows_made import chat, message, row

_trl = find_spec("trl")
TEMPLATES = sorted(
    Path(str(_trl.submodule_search_locations[0])).glob("chat_templates/*.jinja")
    if _trl is not None and _trl.submodule_search_locations
    else []
)
CONTROL = re.compile(
    r"<\|[^|<>\n\"']{1,40}\|>|<\|[a-z_]{2,20}>|<[a-z_]{2,20}\|>|<｜[^｜\n]{1,40}｜>|</s>|<end_of_turn>|<start_of_turn>"
    r"|<end_of_utterance>"
)
ENDS = {
    "gemma": "<end_of_turn>",
    "llama": "<|eot_id|>",
    "llava": "</s>",
    "phi": "<|endoftext|>",
    "gptoss": "<|return|>",
    "deepseek": "<｜end▁of▁sentence｜>",
    "cohere": "<|END_OF_TURN_TOKEN|>",
    "smolvlm": "<end_of_utterance>",
    "idefics": "<end_of_utterance>",
}

CALL = json.dumps([{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 17}'}}])
TOOLS = json.dumps([{"type": "function", "function": {"name": "add", "description": "adds", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer", "description": "x"}}, "required": ["a"]}}}])  # fmt: skip
CONVERSATIONS = {
    "one turn": row(chat(("user", "ASKED one"), ("assistant", "SAID one"))),
    "two turns": row(
        chat(("user", "ASKED one"), ("assistant", "SAID one"), ("user", "ASKED two"), ("assistant", "SAID two"))
    ),
    "system": row(
        chat(("system", "ASKED for"), ("user", "ASKED one"), ("assistant", "SAID one"), ("user", "ASKED two"),
             ("assistant", "SAID two"))
    ),
    "tools": row(
        [message("user", "ASKED one"), message("assistant", None, tool_calls=CALL),
         message("tool", "ASKED three", tool_call_id="c1", name="add"), message("assistant", "SAID one")],
        tools=TOOLS,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


def learned(path: Path, one: Row, tokenizer: Any, control: list[str]) -> tuple[str, list[str]]:
    """The text of a conversation, and what is learned of it."""
    text = path.read_text("utf-8")
    end = next((end for name, end in ENDS.items() if path.stem.startswith(name)), "<|im_end|>")
    knowing = copy.deepcopy(tokenizer)
    knowing.add_special_tokens({"additional_special_tokens": control, "eos_token": end, "bos_token": "<s>"})
    template = Template(text, text, {"eos_token": end, "bos_token": "<s>", "additional_special_tokens": control})
    written = rendered(one, template)
    [tokens] = encoded([written.text], [written.spans], [one.id], knowing, marked=template.marks)
    special = set(knowing.all_special_ids)
    assert all(tokens.ids[stop - 1] in special for _, stop in tokens.learned)
    return written.text, [knowing.decode(tokens.ids[start:stop]) for start, stop in tokens.learned]


@pytest.mark.skipif(not TEMPLATES, reason="this trl brings no templates")
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_masks_under_a_models_template_are_right_or_refused(path: Path, tokenizer: Any) -> None:
    twin = path.with_stem(f"{path.stem}_training")
    both = path.read_text("utf-8") + (twin.read_text("utf-8") if twin.exists() else "")
    control = sorted(set(CONTROL.findall(both)))
    for name, one in CONVERSATIONS.items():
        try:
            text, stretches = learned(path, one, tokenizer, control)
        except TemplateError:
            continue
        joined = "".join(stretches)
        assert "ASKED" not in joined, name
        answers = [str(each["content"]) for each in one.messages if each["role"] == "assistant" and each["content"]]
        assert all(answer in joined for answer in answers), name
        assert joined.count("SAID") == len(answers)
        if name == "tools" and "17" in text:
            assert "17" in joined
        if twin.exists():
            try:
                its_text, its_stretches = learned(twin, one, tokenizer, control)
            except TemplateError:
                continue
            if its_text == text and len(its_stretches) == len(stretches):
                for mine, its in zip(stretches, its_stretches, strict=True):
                    assert mine.strip() in its


@pytest.mark.parametrize(
    "name", ["llama3", "llama3_1", "qwen2_5", "qwen3", "gemma", "gemma3", "phi3", "cohere", "lfm2_v2"]
)
def test_well_known_models_need_no_other_template(name: str, tokenizer: Any) -> None:
    found = [path for path in TEMPLATES if path.stem == name]
    if not found:
        pytest.skip("this trl does not bring it")
    control = sorted(set(CONTROL.findall(found[0].read_text("utf-8"))))
    for conversation in ("one turn", "two turns"):
        _, stretches = learned(found[0], CONVERSATIONS[conversation], tokenizer, control)
        assert len(stretches) == (1 if conversation == "one turn" else 2)
