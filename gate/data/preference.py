"""What two answers share: the prompt of a preference, given explicitly or not."""

from __future__ import annotations

import re
from itertools import takewhile

from gate.data.ids import Message

_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")


def transcript(text: str) -> list[dict[str, str]] | None:
    """The turns of a dialogue written as one text with `Human:` and `Assistant:` paragraphs (the layout of
    Anthropic's hh-rlhf); None when the text does not begin as one."""
    parts = _SPEAKER.split(text.lstrip("\n"))
    if parts[0] or len(parts) < 3 or parts[1] != "Human":
        return None
    roles = {"Human": "user", "Assistant": "assistant"}
    return [{"role": roles[who], "content": said.strip()} for who, said in zip(parts[1::2], parts[2::2], strict=True)]


def preference_of(
    prompt: list[Message], chosen: list[Message], rejected: list[Message]
) -> tuple[list[Message], list[Message], list[Message]]:
    """The shared prompt and the two answers without it.

    The implicit prompt is the longest common prefix of both, short of the last message of either, so that equal
    answers stay answers. An explicit prompt that the answers repeat (whole, its end, or with more before it) is
    taken off them; one that equals an answer is the answer's own copy and is no prompt.
    """
    pairs = zip(chosen[:-1], rejected[:-1], strict=False)
    shared = [one for one, _ in takewhile(lambda pair: pair[0][:2] == pair[1][:2], pairs)]
    count = len(shared)
    if not prompt or prompt in (chosen, rejected):
        return shared, chosen[count:], rejected[count:]
    if count == 0:
        return prompt, chosen, rejected
    if shared[: len(prompt)] == prompt:
        return prompt, chosen[len(prompt) :], rejected[len(prompt) :]
    if shared[-len(prompt) :] == prompt:
        return shared, chosen[count:], rejected[count:]
    if prompt[-count:] == shared:
        return prompt, chosen[count:], rejected[count:]
    return prompt, chosen, rejected
