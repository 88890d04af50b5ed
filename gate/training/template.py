"""The chat template that a run uses, resolved once, with its digest.

A base brings its own, or the user names one; it is never guessed: the same words under another template are another
task. Templates are other people's code: transformers runs them in Jinja's sandbox.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from gate.errors import GateError, UsageError
from gate.training.run_file import Run

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_CLOCK = "strftime_now"

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


class TemplateError(GateError):
    """The template does not fit the data: nothing was trained, rather than something else than the data says."""

    exit_code = 1


class TemplateRefusal(Exception):
    """The template itself failed on a conversation; the caller knows the row."""


@dataclass(frozen=True, slots=True)
class Template:
    """A chat template, ready to render."""

    text: str
    """Jinja."""
    for_tools: str
    """The one for conversations with tools; mostly the same."""
    special: Mapping[str, str | list[str]]
    """The tokenizer's special tokens, by the names that templates use (`bos_token`, `eos_token`…)."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the template (of both, where there is another one for tools)."""
        both = self.text if self.for_tools == self.text else f"{self.text}\0{self.for_tools}"
        return hashlib.sha256(both.encode()).hexdigest()

    @property
    def marks(self) -> bool:
        """Whether it says itself what the assistant writes (`{% generation %}`)."""
        return bool(_GENERATION.search(self.text)) and bool(_GENERATION.search(self.for_tools))

    @property
    def reads_clock(self) -> bool:
        """Whether what it renders depends on the day (`strftime_now`)."""
        return _CLOCK in self.text or _CLOCK in self.for_tools

    def render(self, messages: Sequence[Mapping[str, Json]], tools: list[Json] | None, *, prompt: bool = False) -> str:
        """The text of a conversation.

        Args:
            prompt: end with what stands before an answer of the assistant.

        Raises:
            TemplateRefusal: the template failed.
        """
        text, _ = self._rendered(messages, tools, prompt=prompt)
        return text

    def marked(
        self, messages: Sequence[Mapping[str, Json]], tools: list[Json] | None
    ) -> tuple[str, list[tuple[int, int]]]:
        """The text of a conversation, and the spans of it (characters from, to) that the template calls generated.

        Raises:
            TemplateRefusal: the template failed.
        """
        return self._rendered(messages, tools, marked=True)

    def _rendered(
        self,
        messages: Sequence[Mapping[str, Json]],
        tools: list[Json] | None,
        *,
        prompt: bool = False,
        marked: bool = False,
    ) -> tuple[str, list[tuple[int, int]]]:
        from jinja2 import TemplateError as JinjaError
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            rendered, spans = render_jinja_template(
                conversations=[list(messages)],
                tools=tools,
                chat_template=self.for_tools if tools else self.text,
                add_generation_prompt=prompt,
                return_assistant_tokens_mask=marked,
                **self.special,
            )
        except (JinjaError, TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
            raise TemplateRefusal(" ".join(str(error).split())[:300] or type(error).__name__) from None
        return rendered[0], [tuple(each) for each in spans[0]] if marked else []


def resolved_template(run: Run, tokenizer: PreTrainedTokenizerBase) -> Template:
    """The template of a run: the one that the user named, else the base's own.

    Raises:
        UsageError: there is none, or only ones under names that nobody chose from.
    """
    own = run.base.template or tokenizer.chat_template
    if isinstance(own, dict):
        text, for_tools = own.get("default"), own.get("tool_use", own.get("default"))
    else:
        text = for_tools = own
    if not text or not for_tools:
        listed = f" called default, only {', '.join(sorted(own))}" if isinstance(own, dict) else ""
        raise UsageError(
            f"the base has no chat template{listed}, and gate does not guess one",
            where=run.base.name,
            remedy="name one with --chat-template FILE; a base that was not trained on conversations takes any, "
            "and what is named here is kept with the candidate",
        )
    return Template(text, for_tools, cast("Mapping[str, str | list[str]]", tokenizer.special_tokens_map))
