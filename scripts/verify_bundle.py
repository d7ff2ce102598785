"""A second verifier, by docs/audit-log.md alone: the standard library and `cryptography`.

verify_bundle.py BUNDLE PUB...: exit code 0 and what was found, or 1 and the first thing wrong.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def check(condition: object, what: str) -> None:
    if not condition:
        sys.exit(f"BAD: {what}")


def parsed(line: bytes, place: int) -> tuple[str, dict, dict]:
    try:
        value = json.loads(line)
        kind = next(iter(value))
        return kind, {**value[kind]}, {**value.get("record", {})}
    except (ValueError, TypeError, AttributeError, StopIteration):
        sys.exit(f"BAD: line {place} was changed")


def is_signed(line: bytes, key: str) -> bool:
    """Signed is the line without its last member, `signature`."""
    body, signature = line[:-104] + b"}", line[-90:-2]
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key)).verify(
            base64.b64decode(signature), body
        )
    except (InvalidSignature, ValueError, TypeError):
        return False
    return line[-104:-90] + line[-2:] == b',"signature":""}' and signature == base64.b64encode(
        base64.b64decode(signature)
    )


def main(path: str, *key_files: str) -> None:
    pems = [load_pem_public_key(Path(file).read_bytes()) for file in key_files]
    given = {base64.b64encode(pem.public_bytes_raw()).decode() for pem in pems}
    lines = Path(path).read_bytes().removesuffix(b"\n").split(b"\n")
    check(lines[0] == b'{"callgate-audit":1}', "no bundle of format 1")
    check(lines[-1].startswith(b'{"end":{'), "cut short: the last line is not the end")
    heads, keys, points, anchors, digests = {}, {}, [], {}, {}
    for place, line in enumerate(lines[1:-1], start=2):
        kind, said, record = parsed(line, place)
        name, number, signer = said.get("instance"), said.get("number"), said.get("key")
        what = f"record {number} of {name} (line {place})"
        check(is_signed(line, signer), f"{what} was changed: signature")
        if kind == "checkpoint":
            points.append(said)
        elif kind == "anchor":
            check(name not in heads, f"line {place}: an anchor behind records")
            points.append(said)
            anchors[name] = heads[name] = (number, said["digest"], said["next"])
            keys[name] = [said["next"]]
        else:
            check(kind == "chain", f"{what}: unknown kind {kind}")
            last, digest, key = heads.get(name, (0, "0" * 64, signer))
            check((said["number"], said["previous"]) == (last + 1, digest), f"{what}: misplaced")
            check(signer == key, f"{what}: signed with another key")
            after = record["next"] if record.get("kind") == "key" else key
            order = keys.setdefault(name, [key])
            order += [after] if after != key else []
            heads[name] = (number, hashlib.sha256(line).hexdigest(), after)
            digests[name, number] = heads[name][1]
    trusted = set(given)
    for name, order in keys.items():
        known = [i for i, key in enumerate(order) if key in given]
        check(known, f"{name}: none of its keys is given")
        trusted.update(order[known[0] :])
    _, end, _ = parsed(lines[-1], len(lines))
    check(end.get("key") in trusted and is_signed(lines[-1], end["key"]), "the end: signature")
    signed = {c["instance"]: (c["number"], c["digest"]) for c in end["chains"]}
    check(signed == {name: head[:2] for name, head in heads.items()}, "chains end elsewhere")
    check(end["lines"] == len(lines) - 1, "lines were added or removed")
    for said in points:
        name, number = said["instance"], said["number"]
        before = anchors.get(name, (0,))[0]
        check(said["key"] in keys.get(name, ()), f"line about record {number}: unknown key")
        is_held = number <= before or digests.get((name, number)) == said["digest"]
        check(is_held, f"record {number} of {name} was signed, and is gone or another")
    print(f"ok: {len(digests)} records in {len(heads)} chains")


if __name__ == "__main__":
    main(*sys.argv[1:])
