"""What a tool's definition says of its arguments: which is a command, a path, SQL, or talk.

The detectors know arguments by the names of their fields. A definition (JSON Schema, as the
`tools` of a request have it) says of `input` that it is a shell command, and of `query` that it
is a question: it is then looked at under the name that says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from callgate.canonical import Json
from callgate.detectors.placement import COMMAND_FIELDS, PROSE_FIELDS

_MAX_DEPTH = 6
_MAX_FIELDS = 500
_MAX_TEXT = 400
"""Characters of a description that are read: the first sentences say what it is."""

_FORMATS = {"uri": "url", "url": "url", "iri": "url", "uri-reference": "url", "hostname": "url"}

_SAYS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (field, re.compile(expression, re.IGNORECASE))
    for field, expression in (
        (
            "command",
            r"\b(?:shell|bash|zsh|powershell|terminal|command[- ]?line|cmd\.exe|unix|linux"
            r"|system)\W+(?:commands?|scripts?|lines?|code|snippet|session)\b"
            r"|\bcommands? (?:line )?(?:to|that|which) (?:be |is |are |should be |will be )?"
            r"(?:run|execute|executed|invoke)\b|\b(?:runs?|executes?) (?:a |any |the )?commands?\b",
        ),
        ("sql", r"\bSQL\b|\b(?:database|select) (?:statement|query)\b"),
        (
            "code",
            r"\b(?:python|javascript|typescript|node(?:\.?js)?|ruby|perl|php)\W+(?:code|script|source"
            r"|program|snippet|expression)\b|\bcode to (?:be )?(?:run|execute|executed|evaluate)\b",
        ),
        (
            "path",
            r"\b(?:file|directory|folder|absolute|relative|full|local) ?paths?\b|\bpath (?:to|of)\b"
            r"|\b(?:name of the )?files? to (?:read|open|write|delete|create|edit|load)\b",
        ),
        ("url", r"\b(?:URLs?|URIs?|web address)\b"),
        ("to", r"\brecipients?\b|\be-?mail address(?:es)? (?:to|of the (?:person|people) to)\b"),
        (
            "text",
            r"\bnatural language\b|\bfree[- ]?(?:form )?text\b|\bsearch (?:terms?|query|phrase"
            r"|keywords?|string)\b|\bkeywords?\b|\bquestions?\b"
            r"|\b(?:text|body|content|subject|wording) of the "
            r"(?:e-?mail|message|post|comment|ticket|note|issue|reply|review)\b"
            r"|\bmessage (?:text|body|to (?:send|post|show|display))\b|\bhuman[- ]readable\b",
        ),
    )
)
_WEAK = ("text",)
"""Never taken for what a field's own name says is run or opened."""

_OPENED = COMMAND_FIELDS | {"sql", "path", "file", "filename", "file_path", "url", "uri"}


def tools_in(document: Json) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """The definitions of functions that a body names, with the names that calls have.

    Looks where the APIs put them: `tools` and `functions` of the body, and of the session,
    response or agent in it; namespaces hold more.
    """
    if not isinstance(document, dict):
        return
    for holder in (document, *(document.get(key) for key in ("session", "response", "agent"))):
        if isinstance(holder, dict):
            yield from _listed(holder.get("tools"), "", 0)
            yield from _listed(holder.get("functions"), "", 0)


def _listed(tools: Json, namespace: str, depth: int) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, dict):
            continue
        nested = [tool.get(key) for key in ("function", "custom")]
        definition = next((one for one in nested if isinstance(one, dict)), tool)
        name = definition.get("name")
        if not isinstance(name, str) or not name:
            continue
        if depth < _MAX_DEPTH and isinstance(tool.get("tools"), list):
            yield from _listed(tool["tools"], f"{namespace}{name}.", depth + 1)
        else:
            yield namespace + name, definition


def fields_of(definition: Mapping[str, Json]) -> dict[str, str]:
    """Field, in lower case, → the name under which the detectors shall look at it.

    Empty for a definition that says nothing more than its fields' names do.
    """
    found: dict[str, str] = {}
    schema = definition.get("parameters") or definition.get("input_schema")
    properties = list(_properties(schema, 0)) if isinstance(schema, dict) else []
    for name, said in properties[:_MAX_FIELDS]:
        if field := _said(name, said):
            found.setdefault(name, field)
    texts = [name for name, said in properties if said.get("type", "string") == "string"]
    if not properties:
        texts = ["input"]  # of a custom tool, whose argument is one text
    if len(texts) == 1 and texts[0] not in found and texts[0] not in _OPENED | PROSE_FIELDS:
        about = definition.get("description")
        if field := _of_text(about if isinstance(about, str) else ""):
            found[texts[0]] = field
    return {name: field for name, field in found.items() if name != field}


def _properties(schema: Mapping[str, Json], depth: int) -> Iterator[tuple[str, dict[str, Json]]]:
    if depth > _MAX_DEPTH:
        return
    inner = schema.get("properties")
    for name, said in inner.items() if isinstance(inner, dict) else ():
        if isinstance(said, dict):
            yield name.lower(), said
            yield from _properties(said, depth + 1)
    for key in ("items", "additionalProperties"):
        if isinstance(nested := schema.get(key), dict):
            yield from _properties(nested, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        options = schema.get(key)
        for option in options if isinstance(options, list) else ():
            if isinstance(option, dict):
                yield from _properties(option, depth + 1)


def _said(name: str, said: Mapping[str, Json]) -> str:
    texts = [said.get(key) for key in ("description", "title")]
    field = _of_text(" ".join(text for text in texts if isinstance(text, str)))
    if not field and isinstance(kind := said.get("format"), str):
        field = _FORMATS.get(kind.lower(), "")
    return "" if field in _WEAK and name in _OPENED else field


def _of_text(text: str) -> str:
    text = text[:_MAX_TEXT]
    return next((field for field, says in _SAYS if says.search(text)), "")
