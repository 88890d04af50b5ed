"""What lm-eval will make of an item: its prompt, its answer key, its choices. Rendered here first, for every item.

lm-eval fills a field that is missing with null, and null into a prompt as the word None; it evaluates templates without
a sandbox. Here a missing or null field is an error, and a template that reaches for Python's insides is refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gate.errors import PolicyError

Field = str | int | list[str] | dict[str, str] | Callable[..., Any] | None
"""How a YAML says what to make of an item: a field's name, a template, a value, or a function of the item."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An item as the model will get it."""

    text: str | int
    """The prompt; of tasks whose choices are contexts the right one's number."""
    target: str | int | list[Any]
    choices: tuple[str, ...] | None

    @property
    def answer(self) -> str:
        """The right answer as text."""
        right = self.text if isinstance(self.text, int) else self.target
        if self.choices is not None and isinstance(right, int):
            return self.choices[right]
        return str(right[0]) if isinstance(right, list) and right else str(right)


class Null:
    """A field that is null: it may be asked for (`if`), and is never written out."""

    def __init__(self, field: str) -> None:
        self.field = field

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        raise NullField(self.field)

    __format__ = __iter__ = __len__ = __getitem__ = lambda self, *_: self.__str__()


class NullField(Exception):
    """A field that is null was written out."""


@dataclass(frozen=True, slots=True)
class Templates:
    """How a task turns its items into text."""

    fields: frozenset[str]
    """That every item has; a template that is the name of one means that field."""
    text: Field
    target: Field
    choices: Field = None
    description: str = ""
    prefix: str | None = None

    def rendered(self, document: Mapping[str, Any], where: str) -> Rendered:
        """An item.

        Raises:
            PolicyError: something that it needs is missing, or a template is refused.
        """
        choices = None if self.choices is None else self._choices(document, where)
        text = self._value(self.text, document, "doc_to_text", where, numbers=choices is not None)
        target = self._value(self.target, document, "doc_to_target", where, numbers=choices is not None, lists=True)
        for extra, key in ((self.description, "description"), (self.prefix, "gen_prefix")):
            if extra:
                self._value(extra, document, key, where)
        if not isinstance(text, str | int):
            raise _wrong("doc_to_text", "a text", where)
        if not isinstance(target, str | int | list):
            target = str(target)  # as lm-eval does
        return Rendered(text, target, choices)

    def _choices(self, document: Mapping[str, Any], where: str) -> tuple[str, ...]:
        if isinstance(self.choices, dict):
            found: object = list(self.choices.values())
        elif isinstance(self.choices, list):
            found = self.choices
        else:
            found = self._value(self.choices, document, "doc_to_choice", where, lists=True)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise _wrong("doc_to_choice", "a list of texts", where)
        return tuple(found)

    def _value(
        self,
        field: Field,
        document: Mapping[str, Any],
        key: str,
        where: str,
        *,
        numbers: bool = False,
        lists: bool = False,
    ) -> Any:  # whatever the item holds
        if field is None:
            raise PolicyError(f"{key}: missing", where=where, remedy=f"write `{key}:`")
        if callable(field):
            return field(dict(document))
        if not isinstance(field, str):
            return field
        if field in self.fields:
            if document[field] is None:
                raise PolicyError(
                    f"`{field}` is missing ({key})", where=where, remedy="write it, or leave the item out"
                )
            return document[field]
        said = _template(field, document, key, where)
        if (numbers and said.isdigit()) or (lists and len(said) >= 2 and said[0] == "[" and said[-1] == "]"):
            try:
                return ast.literal_eval(said)
            except (SyntaxError, ValueError):
                return said
        return said


def _wrong(key: str, wanted: str, where: str) -> PolicyError:
    return PolicyError(f"{key} does not give {wanted}", where=where, remedy="mend the item, or the task")


def _template(template: str, document: Mapping[str, Any], key: str, where: str) -> str:
    from jinja2 import TemplateError, UndefinedError
    from jinja2.exceptions import SecurityError

    known = {name: Null(name) if value is None else value for name, value in document.items()}
    try:
        return str(_compiled(template).render(**known))
    except NullField as error:
        remedy = "write it, or leave the item out"
        raise PolicyError(f"`{error}` is missing ({key})", where=where, remedy=remedy) from None
    except SecurityError:
        raise PolicyError(
            f"{key}: the template reaches for Python's insides", where=where, remedy="templates are for fields only"
        ) from None
    except UndefinedError as error:
        what = " ".join(str(error).split())[:200]
        raise PolicyError(f"{key}: {what}", where=where, remedy="is it written as in the items?") from None
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError, re.error, ArithmeticError) as error:
        what = " ".join(str(error).split())[:200]
        raise PolicyError(f"{key}: the template fails: {what}", where=where, remedy="mend the template") from None


@lru_cache(maxsize=256)  # one for each key of a task, and as many items
def _compiled(template: str) -> Any:  # a jinja2 template
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = _regex_replace
    return environment.from_string(template)


def _regex_replace(text: str, pattern: str, by: str, count: int = 0) -> str:
    """lm-eval's own filter."""
    return re.sub(pattern, by, text, count=count)
