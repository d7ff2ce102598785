"""The `detectors:` of a policy file: what findings of each family mean for a call."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml.nodes import MappingNode, Node

from callgate.detectors.secrets.rulefile import Rules, read_rules
from callgate.errors import Fault, PolicyError
from callgate.policy.document import Document, plain

FAMILIES = tuple(
    str.split(
        "secrets pii shell sql ssrf exfiltration files gate read_then_write untrusted_argument"
    )
)
"""Of findings: the keys below `detectors:`."""

WORDS = ("off", "sanitize", "require_approval", "deny")
BANDS = ("high", "medium", "low")
"""Of confidence: from 0.8, from 0.5, below."""

_KIND = re.compile(r"[A-Z][A-Z0-9_]*")

type Meanings = Mapping[str, str]
"""Band of confidence, or kind of finding (`FORCE_PUSH`) → word; what is left out is as always."""

type Stamp = tuple[int, int, int] | None
"""Tells one version of a file from another; None where there is no file."""


@dataclass(frozen=True, slots=True)
class RuleFile:
    """Rules for secrets that a policy file names, as they were when it was read."""

    path: Path
    stamp: Stamp
    digest: str
    """SHA-256 of the file's bytes, hex."""
    rules: Rules


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
        if name == "rules" and family == "secrets":
            continue  # `read_rule_file` takes it
        if name not in BANDS and not _KIND.fullmatch(name):
            fix = "write high, medium, low, or a kind of finding in capitals"
            document.fault(key, f"unknown key `{name}` in `{family}`: {fix}")
        elif word := document.choice(value, f"`{name}`", WORDS):
            found[name] = word
    return found


def read_rule_file(document: Document, node: Node) -> RuleFile | None:
    """Read the file of rules that `secrets: {rules: PATH}` names, where `detectors:` does.

    A relative path starts where the policy file lies. Faults go to the document.
    """
    named = _member(_member(node, "secrets"), "rules")
    if named is None or (name := document.text(named, "`rules`")) is None:
        return None
    path = Path(document.file).parent / name
    seen = stamp(path)
    try:
        raw = path.read_bytes()
        rules = read_rules(raw.decode("utf-8-sig"), str(path))
    except OSError as error:
        why = error.strerror or error
        document.fault(named, f"`rules`: {path} cannot be read ({why}): name a file that can")
    except UnicodeDecodeError:
        document.faults.append(Fault(str(path), 1, 1, "not UTF-8: save the file as UTF-8"))
    except PolicyError as error:
        document.faults.extend(error.faults)
    else:
        return RuleFile(path, seen, hashlib.sha256(raw).hexdigest(), rules)
    return None


def stamp(path: Path) -> Stamp:
    """Look at a file without reading it: one `stat`."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _member(node: Node | None, name: str) -> Node | None:
    entries = node.value if isinstance(node, MappingNode) else ()
    return next((value for key, value in entries if plain(key) == name), None)
