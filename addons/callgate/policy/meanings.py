"""The `detectors:` of a policy file: what findings of each family mean for a call."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ruamel.yaml.nodes import MappingNode, Node

from callgate.policy.document import Document

FAMILIES = ("secrets", "pii", "shell", "sql", "ssrf", "exfiltration", "files")
"""Of findings: the keys below `detectors:`."""

WORDS = ("off", "sanitize", "require_approval", "deny")
BANDS = ("high", "medium", "low")
"""Of confidence: from 0.8, from 0.5, below."""

_KIND = re.compile(r"[A-Z][A-Z0-9_]*")

type Meanings = Mapping[str, str]
"""Band of confidence, or kind of finding (`FORCE_PUSH`) → word; what is left out is as always."""


def read_meanings(document: Document, node: Node) -> dict[str, Meanings]:
    """Read `detectors:`: one word for a family, or a mapping by confidence and kind.

    One word is about findings of high and of medium confidence, whatever their kind: keyed
    `"*"`. Faults go to the document.
    """
    found: dict[str, Meanings] = {}
    for family, (_, value) in document.entries(node, FAMILIES, "`detectors`").items():
        if isinstance(value, MappingNode):
            found[family] = _mapping(document, value, family)
        elif word := document.choice(value, f"`{family}`", WORDS):
            found[family] = {"*": word}
    return found


def _mapping(document: Document, node: MappingNode, family: str) -> Meanings:
    found = {}
    for name, (key, value) in document.entries(node, (), f"`{family}`").items():
        if name not in BANDS and not _KIND.fullmatch(name):
            fix = "write high, medium, low, or a kind of finding in capitals"
            document.fault(key, f"unknown key `{name}` in `{family}`: {fix}")
        elif word := document.choice(value, f"`{name}`", WORDS):
            found[name] = word
    return found
