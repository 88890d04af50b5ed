"""Croissant 1.0 metadata of an export (croissant.json): what its files are, and which fields their records have.

Source: the Croissant format specification 1.0 (MLCommons), https://docs.mlcommons.org/croissant/docs/croissant-spec.html
(JSON-LD context, dataset, FileObject, RecordSet, Field, splits). What is not known (creator, date of publication, a
citation, a licence) is left out rather than invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from gate.snapshots.dataset_card import languages, licences
from gate.snapshots.export_facts import ExportedFile, Facts
from gate.snapshots.records import MESSAGE_COLUMNS

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
PARQUET = "application/x-parquet"
"""The media type that Croissant's own reader knows."""

_OWN_TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _OWN_TERMS},
}
"""What the words of the document stand for, as the specification gives it."""

_SAID_BY_CARDS = {"citeAs": ("citation", "citation_bibtex"), "url": ("homepage", "url"), "datePublished": ("date",)}
"""Properties that the front matter of a card may hold, and under which keys."""
_LONGEST = 4000
"""Characters of a text from a card."""


def croissant(facts: Facts, files: Sequence[ExportedFile]) -> bytes:
    """The document.

    Args:
        files: those with rows (Parquet), in the order of the export.
    """
    admission, snapshot = facts.admission, facts.snapshot
    document: dict[str, object] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": admission.name,
        "description": f"The approved snapshot {snapshot.id} of {admission.name}: "
        f"{sum(file.rows for file in files)} examples.",
        "identifier": f"sha256:{snapshot.id}",
        "dateCreated": facts.snapshot.statement.made[:10],
    }
    if facts.number is not None:
        document["version"] = f"{facts.number}.0.0"
    if named := licences(facts):
        document["license"] = named[0] if len(named) == 1 else named
    if named := languages(facts):
        document["inLanguage"] = named[0] if len(named) == 1 else named
    document |= _of_card(facts)
    document["distribution"] = [_file_object(file) for file in files]
    document["recordSet"] = [_splits(files), *(_record_set(file) for file in files)]
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _of_card(facts: Facts) -> dict[str, object]:
    if facts.card is None:
        return {}
    values = facts.card.values
    found: dict[str, object] = {}
    for name, keys in _SAID_BY_CARDS.items():
        said = next((values[key] for key in keys if isinstance(values.get(key), str)), None)
        if said is not None:
            found[name] = str(said)[:_LONGEST]
    creators = next((values[key] for key in ("creator", "creators", "authors") if key in values), None)
    people = [person for each in _listed(creators) if (person := _creator(each)) is not None]
    if people:
        found["creator"] = people[0] if len(people) == 1 else people
    return found


def _listed(said: object) -> list[object]:
    return said if isinstance(said, list) else [said]


def _creator(said: object) -> dict[str, object] | None:
    """A person, or an organisation where the card says so."""
    if isinstance(said, str) and said.strip():
        return {"@type": "sc:Person", "name": said[:_LONGEST]}
    if isinstance(said, Mapping) and isinstance(said.get("name"), str):
        kind = "sc:Organization" if str(said.get("type", "")).lower() == "organization" else "sc:Person"
        web = {"url": said["url"][:_LONGEST]} if isinstance(said.get("url"), str) else {}
        return {"@type": kind, "name": said["name"][:_LONGEST]} | web
    return None


def _file_object(file: ExportedFile) -> dict[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "description": f"{file.rows} examples of the split {file.split}.",
        "contentUrl": file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": file.sha256,
    }


def _splits(files: Sequence[ExportedFile]) -> dict[str, object]:
    """The splits, as the specification has them: a record set of its own."""
    names = list(dict.fromkeys(str(file.split) for file in files))
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits of the examples.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [{"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{"splits/name": name} for name in names],
    }


def _record_set(file: ExportedFile) -> dict[str, object]:
    name = str(file.split) if file.kind is None else f"{file.kind}/{file.split}"
    message_columns = {column for columns in MESSAGE_COLUMNS.values() for column in columns}
    fields: dict[str, list[str]] = {}
    for column in file.columns:
        top, _, inner = column.partition(".")
        fields.setdefault(top, []).extend([inner] if inner else [])
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"The examples of the split {file.split}.",
        "field": [
            _messages(file, name, field, inner) if field in message_columns else _field(file, name, field)
            for field, inner in fields.items()
        ],
    }


_TYPES = {"label": "sc:Boolean"}
_DESCRIPTIONS = {
    "id": "The content id: the same content has the same id anywhere.",
    "messages": "The conversation.",
    "prompt": "The messages before the answer.",
    "chosen": "The answer that is preferred.",
    "rejected": "The answer that is not.",
    "completion": "The answer that was judged.",
    "label": "Whether the answer was judged good.",
    "text": "A text for continued pre-training.",
    "tools": "The tools that may be called, as JSON.",
}


def _field(file: ExportedFile, record_set: str, name: str) -> dict[str, object]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": _DESCRIPTIONS[name],
        "dataType": _TYPES.get(name, "sc:Text"),
        "source": {"fileObject": {"@id": file.path}, "extract": {"column": name}},
    }


def _messages(file: ExportedFile, record_set: str, name: str, inner: Sequence[str]) -> dict[str, object]:
    """A list of messages: a repeated field of sub-fields, each picked out of the objects of its column."""
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": _DESCRIPTIONS[name],
        "repeated": True,
        "subField": [
            {
                "@type": "cr:Field",
                "@id": f"{record_set}/{name}/{each}",
                "name": each,
                "dataType": "sc:Text",
                "source": {
                    "fileObject": {"@id": file.path},
                    "extract": {"column": name},
                    "transform": {"jsonPath": each},
                },
            }
            for each in inner
        ],
    }
