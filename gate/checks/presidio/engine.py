"""Builds Presidio's AnalyzerEngine for one set of parameters.

The default engine has no model: spaCy's blank tokenizer gives the tokens among which recognisers look for the words
that raise a score ("phone", "iban"). Their lemma is the word as written, since nothing lemmatises it. The others add
a named model through Presidio's own recognisers for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from gate.checks.presidio.imports import SwallowedFailures, import_presidio

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

EngineName = Literal["blank", "spacy", "transformers", "gliner"]


@dataclass(frozen=True, slots=True)
class Setup:
    """What an analyzer is built from."""

    engine: EngineName
    model: str | None
    language: str
    scores: tuple[tuple[str, float], ...]
    """The minimum score of each entity that is looked for."""


class LazyArtifacts:
    """The tokens of a text, made when a recogniser or the context enhancer first asks for them: most never do."""

    def __init__(self, nlp_engine: NlpEngine, text: str, language: str) -> None:
        self._engine, self._text, self._language = nlp_engine, text, language

    @cached_property
    def _made(self) -> NlpArtifacts:
        return self._engine.process_text(self._text, self._language)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._made, name)


def _blank_engine(language: str) -> NlpEngine:
    import spacy
    from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine

    class BlankNlpEngine(SpacyNlpEngine):  # type: ignore[misc]  # presidio has no types
        """A tokenizer, stop words and nothing else."""

        def load(self) -> None:
            nlp = spacy.blank(language)
            nlp.max_length = 1 << 40  # the limit is there for parsers and taggers, which need memory per token
            self.nlp = {language: nlp}

        def _doc_to_nlp_artifact(self, doc: spacy.tokens.Doc, language: str) -> NlpArtifacts:
            return NlpArtifacts(
                entities=[],
                tokens=doc,
                tokens_indices=[token.idx for token in doc],
                lemmas=[token.text for token in doc],
                nlp_engine=self,
                language=language,
                scores=[],
            )

    nlp_engine = BlankNlpEngine(models=[{"lang_code": language, "model_name": "blank"}])
    nlp_engine.load()
    return nlp_engine


def build(setup: Setup) -> tuple[AnalyzerEngine, SwallowedFailures]:
    """The engine with every recogniser that Presidio has for the language, and what counts its silent failures."""
    failures = import_presidio(with_models=setup.engine != "blank")
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    if setup.engine == "spacy":
        nlp_engine: NlpEngine = SpacyNlpEngine(models=[{"lang_code": setup.language, "model_name": setup.model}])
        nlp_engine.load()
    else:
        nlp_engine = _blank_engine(setup.language)
    registry = RecognizerRegistry(supported_languages=[setup.language])
    registry.load_predefined_recognizers(languages=[setup.language], nlp_engine=nlp_engine)
    if setup.engine != "spacy":  # it passes on the entities that the NLP engine found, and this one finds none
        registry.remove_recognizer("SpacyRecognizer", setup.language)
    if setup.engine == "transformers":
        from presidio_analyzer.predefined_recognizers import HuggingFaceNerRecognizer

        registry.add_recognizer(
            HuggingFaceNerRecognizer(model_name=setup.model, supported_language=setup.language, threshold=0.0)
        )
    elif setup.engine == "gliner":
        from presidio_analyzer.predefined_recognizers import GLiNERRecognizer

        registry.add_recognizer(GLiNERRecognizer(model_name=setup.model, supported_language=setup.language))
    engine = AnalyzerEngine(registry=registry, nlp_engine=nlp_engine, supported_languages=[setup.language])
    return engine, failures
