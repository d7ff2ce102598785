"""Valid cases made invalid, or valid in ways that nobody expects; the same dice, the same case."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.fuzz.case import Case

type Json = Any
type Dice = random.Random

_KINDS = str.split(
    "function_call custom_tool_call message shell_call local_shell_call apply_patch_call "
    "mcp_approval_request mcp_call computer_call tool_search_call program function custom "
    "tool_calls reasoning item_reference function_call_output tool thread.run.requires_action "
    "thread.run.step.delta thread.run.step.completed response.completed response.done "
    "response.output_item.added response.output_item.done response.function_call_arguments.done "
    "response.created response.failed error done conversation.item.created"
)
_SCALARS: Sequence[Json] = (
    *(None, True, False, 0, 1, -1, 2, 1.0, 0.5, 10**20, 2**53 + 1, 1e308, "", " ", "0", "look"),
    *("wipe", "hush", "call_1", "call_2", "item_1", "{}", '{"x":1}', '{"x":"wipe"}', "[]", "null"),
    *("tool", "assistant", "stop", "tool_calls", "completed", "in_progress", "requires_action"),
    *("\ud800", "\u2028data: x", "w\u0131pe", "\x00", [], {}, [[]], [None], {"a": {}}),
)
_KEYS = str.split(
    "tool_calls function_call function custom name arguments input id call_id type item item_id "
    "output index output_index response delta message choices data error required_action "
    "submit_tool_outputs step_details tool_call_id content role status event object tools "
    "required_actions request request_id server_label"
)


def mutate(raw: bytes, dice: Dice, others: Sequence[bytes] = ()) -> bytes:
    """A case like this one, in one to four places not; `others` lend their parts."""
    case = Case.read(raw)
    if case is None:
        return _bytes(raw, dice)
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))):
        try:
            case = _change(case, dice, others)
        except RecursionError:  # as deep as documents get
            break
    return case.written()


def _change(case: Case, dice: Dice, others: Sequence[bytes]) -> Case:
    match dice.randrange(12):
        case 0:
            return replace(case, body=_bytes(case.body, dice))
        case 1:
            return _with_header(case, dice)
        case 2 if others:
            other = Case.read(dice.choice(others))
            return replace(case, body=_spliced(case.body, other.body, dice)) if other else case
        case 3:
            return replace(case, body=_respelt(case.body, dice))
        case _:
            return replace(case, body=_documents(case, dice))


# -- bytes ----------------------------------------------------------------------------------

_BITS = (
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"\x00", b"\xff", b"\xe2\x80\xa8", b" "),
    *(b"data: ", b"event: ", b"id: 1\n", b"retry: 0\n", b":\n", b"data: [DONE]\n\n", b"{}", b"["),
    *(b'"', b"\\", b"\\u0077", b"NaN", b"1e999", b",", b"}", b"event: error\n", b"data\n"),
)


def _bytes(raw: bytes, dice: Dice) -> bytes:
    place = dice.randint(0, len(raw))
    end = min(len(raw), place + dice.choice((1, 1, 2, 5, 20)))
    match dice.randrange(6):
        case 0 if place < len(raw):
            return raw[:place] + bytes([raw[place] ^ 1 << dice.randrange(8)]) + raw[place + 1 :]
        case 1:
            return raw[:place] + raw[end:]
        case 2:
            return raw[:place] + raw[place:end] + raw[place:]
        case 3:
            return raw[:place]
        case _:
            return raw[:place] + dice.choice(_BITS) + raw[place:]


def _spliced(one: bytes, other: bytes, dice: Dice) -> bytes:
    match dice.randrange(3):
        case 0:
            return one + other
        case 1:
            return one[: dice.randint(0, len(one))] + other[dice.randint(0, len(other)) :]
        case _:
            ours, theirs = _blocks(one), _blocks(other)
            ours.insert(dice.randint(0, len(ours)), dice.choice(theirs))
            return b"".join(ours)


def _blocks(body: bytes) -> list[bytes]:
    """Events, messages, or the body."""
    if body[:1] in (b"<", b">"):
        return body.splitlines(keepends=True)
    return re.findall(rb"(?s).+?(?:\n\n|\Z)", body) or [b""]


def _respelt(body: bytes, dice: Dice) -> bytes:
    """The same, as other parsers may or may not read it."""
    match dice.randrange(9):
        case 0:
            return body.replace(b"\n", dice.choice((b"\r\n", b"\r", b"\n\r")))
        case 1:
            return b"\xef\xbb\xbf" + body
        case 2:
            encoding = dice.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"))
            return body.decode("utf-8", "replace").encode(encoding)
        case 3:
            return body.decode("utf-8", "replace").encode("utf-7", "replace")
        case 4:
            blocks = _blocks(body)
            blocks.insert(dice.randint(0, len(blocks)), dice.choice(blocks))
            return b"".join(blocks)
        case 5:
            blocks = _blocks(body)
            del blocks[dice.randrange(len(blocks))]
            return b"".join(blocks)
        case 6:
            blocks = _blocks(body)
            dice.shuffle(blocks)
            return b"".join(blocks)
        case 7:
            at = dice.randint(0, len(body))
            return body[:at] + re.sub(rb"data: ?", b"data:", body[at:])
        case _:
            # one word of an event's name or of a field, spelt with escapes
            words = list(re.finditer(rb"[A-Za-z_]{2,}", body))
            if not words:
                return body
            word = dice.choice(words)
            spelt = rb"\u%04x" % body[word.start()] + body[word.start() + 1 : word.end()]
            return body[: word.start()] + spelt + body[word.end() :]


# -- headers --------------------------------------------------------------------------------

_HEADERS: Sequence[tuple[str, Sequence[str]]] = (
    (
        "content-type",
        (
            *("application/json", "text/plain", "text/event-stream", "", "application/x-ndjson"),
            *("application/json; charset=utf-16", "text/event-stream; charset=utf-8", "text/json"),
            *("Text/Event-Stream", "application/vnd.x+json", "application/json; charset=utf-7"),
        ),
    ),
    (":status", ("200", "201", "202", "203", "204", "205", "206", "226", "299", "400", "500")),
    (":encoded", ("gzip", "deflate", "br", "zstd")),
    ("content-encoding", ("gzip", "deflate", "br", "zstd", "identity", "x-gzip", "gzip, gzip")),
    ("callgate-decision", ("allow",)),
    ("x-should-retry", ("true", "false")),
    ("retry-after-ms", ("0",)),
)


def _with_header(case: Case, dice: Dice) -> Case:
    if dice.randrange(3) == 0:
        places = sorted(dice.randint(0, len(case.body)) for _ in range(dice.randint(1, 5)))
        if dice.randrange(4) == 0:
            places = [*range(1, min(len(case.body), 2000))]
        return _set(case, ":cuts", " ".join(map(str, places)))
    name, values = dice.choice(_HEADERS)
    value = dice.choice(values)
    case = _set(case, name, value)
    if name == ":encoded" and dice.randrange(4):
        case = _set(case, "content-encoding", value)
    return case


def _set(case: Case, name: str, value: str) -> Case:
    kept = tuple(one for one in case.headers if one[0] != name)
    return replace(case, headers=(*kept, (name, value)))


# -- JSON -----------------------------------------------------------------------------------

_JSON_LINES = re.compile(rb"(?m)^(data: ?|[<>] ?)(\{.*\})(\r?)$")


def _documents(case: Case, dice: Dice) -> bytes:
    """The body with one of its JSON documents changed."""
    body = case.body
    if (whole := _parsed(body)) is not None:
        return _written(_grown(whole, [whole], dice), dice)
    found = list(_JSON_LINES.finditer(body))
    if not found:
        return _bytes(body, dice)
    match = dice.choice(found)
    lent = [_parsed(one[2]) for one in dice.sample(found, min(3, len(found)))]
    document = _parsed(match[2])
    if document is None:
        return _bytes(body, dice)
    new = _written(_grown(document, [one for one in lent if one], dice), dice)
    if match[1].startswith(b"data"):
        new = new.replace(b"\n", b"\n" + match[1])
    else:
        new = new.replace(b"\n", b" ")
    body = body[: match.start(2)] + new + body[match.end(2) :]
    if match[1].startswith(b"data") and dice.randrange(4) == 0:
        body = _renamed(body, match.start(), dice)
    return body


def _renamed(body: bytes, place: int, dice: Dice) -> bytes:
    """The event before `place` under another name, or under none."""
    start = body.rfind(b"event:", 0, place)
    name = dice.choice((b"", *(f"event: {one}\n".encode() for one in _KINDS)))
    if start < 0:
        return body[:place] + name + body[place:]
    return body[:start] + name + body[body.find(b"\n", start) + 1 :]


def _parsed(raw: bytes) -> Json:
    try:
        value = json.loads(raw.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _written(value: Json, dice: Dice) -> bytes:
    text = json.dumps(
        value,
        ensure_ascii=dice.random() < 0.8,
        indent=dice.choice((None, None, None, 1)),
        separators=dice.choice((None, (",", ":"))),
    )
    if dice.randrange(12) == 0:
        # a key twice, with what is its value, or another's
        pairs = list(re.finditer(r'"\w+": ?(?:"[^"\\]*"|\d+|null|true|\[\]|\{\})', text))
        if pairs:
            pair, other = dice.choice(pairs), dice.choice(pairs)
            text = f"{text[: pair.start()]}{other[0]},{text[pair.start() :]}"
    return text.encode("utf-8", "surrogatepass")


def _places(node: Json) -> Iterator[tuple[Json, Any]]:
    """Every holder in a document with each of its keys."""
    waiting = [node]
    while waiting:
        holder = waiting.pop()
        pairs = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in pairs:
            yield holder, key
            if isinstance(value, dict | list):
                waiting.append(value)


def _grown(document: Json, lent: Sequence[Json], dice: Dice) -> Json:
    document = copy.deepcopy(document)
    places = list(_places(document))
    if not places:
        return dice.choice(_SCALARS)
    holder, key = dice.choice(places)
    action: Callable[[Json, Any, Sequence[Json], Dice], None] = dice.choice(_ACTIONS)
    action(holder, key, lent, dice)
    return document


def _put(holder: Json, key: Any, lent: Sequence[Json], dice: Dice) -> None:
    holder[key] = copy.deepcopy(dice.choice((*_SCALARS, *_KINDS)))


def _drop(holder: Json, key: Any, lent: Sequence[Json], dice: Dice) -> None:
    del holder[key]


def _graft(holder: Json, key: Any, lent: Sequence[Json], dice: Dice) -> None:
    """A part of this or another document put somewhere else."""
    givers = list(_places(dice.choice(lent))) if lent else []
    if not givers:
        return
    giver, part = dice.choice(givers)
    value = copy.deepcopy(giver[part])
    if isinstance(holder, list):
        holder.insert(key, value)
    elif dice.randrange(2):
        holder[part if isinstance(part, str) else key] = value
    else:
        holder[key] = value


def _rename(holder: Json, key: Any, lent: Sequence[Json], dice: Dice) -> None:
    """The key in other letters, or another key."""
    if isinstance(holder, dict):
        new = dice.choice((key.upper(), key.title(), f"{key} ", *dice.sample(_KEYS, 3)))
        holder[new] = holder.pop(key)


def _add(holder: Json, key: Any, lent: Sequence[Json], dice: Dice) -> None:
    if isinstance(holder, dict):
        holder[dice.choice(_KEYS)] = copy.deepcopy(dice.choice((*_SCALARS, *_KINDS, holder[key])))
    else:
        holder.append(copy.deepcopy(holder[key]))


def _wrap(holder: Json, key: Any, lent: Sequence[Json], dice: Dice) -> None:
    value = holder[key]
    match dice.randrange(5):
        case 0:
            holder[key] = [value]
        case 1:
            holder[key] = {dice.choice(_KEYS): value}
        case 2:
            holder[key] = json.dumps(value)
        case 3:
            holder[key] = [value, copy.deepcopy(value)]
        case _:
            for _ in range(dice.choice((5, 50, 300))):
                value = [value]
            holder[key] = value


def _twist(holder: Json, key: Any, lent: Sequence[Json], dice: Dice) -> None:
    """A number moved, a text cut or turned, a list the other way round."""
    value = holder[key]
    if isinstance(value, bool) or value is None:
        holder[key] = not value
    elif isinstance(value, int | float):
        holder[key] = dice.choice((value + 1, value - 1, -value, float(value), str(value)))
    elif isinstance(value, str):
        at = dice.randint(0, len(value))
        bits = (value[:at], value[at:], value + value, value.upper(), value[::-1])
        grown = f"{value[:at]}{dice.choice(_SCALARS)}{value[at:]}"
        holder[key] = dice.choice((*bits, grown, f" {value}", f"{value}\u200b", f"{value}_output"))
    elif isinstance(value, list):
        value.reverse()
    else:
        holder[key] = list(value.values())


_ACTIONS = (_put, _put, _drop, _graft, _graft, _rename, _add, _wrap, _twist, _twist)
