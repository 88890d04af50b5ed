"""Fills in the templates of an lm-eval task in a sandbox: data from the document comes in, no code runs.

A template's own words are left out: they are the same in every item, and a training row that holds the question seldom
has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gate.checks.contamination.documents import Document

if TYPE_CHECKING:
    from jinja2 import nodes

Template = Callable[[Document], str]


class TemplateRefused(ValueError):
    """A template that does more than put a document's values in place; the message says what, and quotes no data."""


def names(source: str) -> set[str]:
    """The columns that a template speaks of.

    Raises:
        TemplateRefused: it is no template.
    """
    from jinja2 import TemplateError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        return meta.find_undeclared_variables(ImmutableSandboxedEnvironment().parse(source))
    except TemplateError as error:
        raise TemplateRefused(f"not a template ({type(error).__name__})") from None


def template(source: str, *, words: bool) -> Template:
    """A function from a document to what the template says of it.

    Args:
        words: keep the template's own words.

    Raises:
        TemplateRefused: it is no template, includes others, calls a function or multiplies.
    """
    from jinja2 import StrictUndefined, TemplateError, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    try:
        tree = environment.parse(source)
        _refuse_work(tree)
        for text in [] if words else tree.find_all(nodes.TemplateData):
            text.data = " "
        code = environment.compile(tree)
    except TemplateError as error:
        raise TemplateRefused(f"not a template that fills in values ({type(error).__name__})") from None
    compiled = environment.template_class.from_code(environment, code, environment.globals)

    def fill(document: Document) -> str:
        try:
            return compiled.render(**document)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise TemplateRefused(f"the template does not fit it ({type(error).__name__})") from None

    return fill


_FILTERS = ("trim", "lower", "upper", "title", "capitalize", "join", "first", "last", "length", "int", "string", "list")
_METHODS = ("strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "split", "index", "get")
"""What a template may do with a value: nothing that makes more of it than there was."""


def _refuse_work(tree: nodes.Template) -> None:
    """Without products, assignments, calls and loops in loops, a template does no more work than it is long."""
    from jinja2 import nodes

    for node in tree.find_all((nodes.Mul, nodes.Pow, nodes.Mod, nodes.Assign, nodes.AssignBlock, nodes.Macro)):
        raise TemplateRefused(f"a template may not use {type(node).__name__}")
    for call in tree.find_all(nodes.Call):
        if not (isinstance(call.node, nodes.Getattr) and call.node.attr in _METHODS):
            raise TemplateRefused("a template may not call a function")
    for loop in tree.find_all(nodes.For):
        if any(inner is not loop for inner in loop.find_all(nodes.For)):
            raise TemplateRefused("a template may not have a loop in a loop")
