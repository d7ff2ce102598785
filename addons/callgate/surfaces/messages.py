"""Messages of Chat Completions: where their calls stand, and how they read.

Types: openai SDK `types/chat/chat_completion_message.py` and its parameters. A call is an entry
of `tool_calls` (`function` or `custom`), or the legacy `function_call`, which has no id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from callgate import canonical
from callgate.canonical import Json
from callgate.errors import BodyError, JsonError
from callgate.exchange import Request
from callgate.model import SurfaceName, ToolCall
from callgate.surfaces import fields
from callgate.surfaces.fields import Object

CARRIERS = frozenset(("tool_calls", "function_call"))
_LEGACY = "function_call:"
_FIELDS = frozenset(("id", "type", "function", "custom", "name", "arguments", "input", "index"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One call inside a message; raises BodyError for parts of wrong types."""

    item: Object
    is_legacy: bool = False

    @property
    def holder(self) -> Object:
        """What holds the name and the arguments."""
        if self.is_legacy:
            return self.item
        inner = [self.item[key] for key in ("function", "custom") if self.item.get(key) is not None]
        if len(inner) > 1:
            raise BodyError("a tool call is of two types at once")
        if inner and not isinstance(inner[0], dict):
            raise BodyError("the function of a tool call must be an object")
        return inner[0] if inner else self.item  # type: ignore[return-value]  # checked above

    @property
    def kind(self) -> str:
        """`function`, `custom`, or a type that nobody here knows."""
        if self.is_legacy or self.item.get("function") is not None:
            return "function"
        if self.item.get("custom") is not None:
            return "custom"
        kind = self.item.get("type")
        return kind if isinstance(kind, str) and kind not in ("function", "custom") else "untyped"

    @property
    def name(self) -> str:
        """The tool's name; of an unknown type the type."""
        name = self.holder.get("name")
        if isinstance(name, str):
            return name
        if name is not None or self.kind in ("function", "custom"):
            raise BodyError("the name of a tool call must be a string")
        return self.kind

    @property
    def arguments(self) -> str:
        """JSON text as on the wire; a custom tool's input is wrapped into an object."""
        if self.kind == "custom":
            return canonical.dump({"input": self.holder.get("input")}).decode()
        value = self.holder.get("arguments")
        if isinstance(value, str):
            return value
        return "" if value is None else canonical.dump(value).decode()

    @property
    def digest(self) -> str:
        """See `canonical.call_digest`."""
        return canonical.call_digest(self.kind, self.name, self.arguments)

    @property
    def id(self) -> str:
        """The call's id; a legacy call's is made from what it says."""
        if self.is_legacy:
            return _LEGACY + self.digest[:16]
        value = self.item.get("id")
        if not isinstance(value, str):
            raise BodyError("a tool call without an id")
        return value

    def call(self, request: Request, scope: str, model: str = "") -> ToolCall:
        """The call as the gate judges it."""
        return ToolCall(
            surface=SurfaceName.CHAT,
            origin=request.origin,
            scope=scope,
            id=self.id,
            name=self.name,
            arguments=self.arguments,
            digest=self.digest,
            kind=self.kind,
            agent=request.caller(),
            model=model,
        )

    def replace(self, arguments: str) -> None:
        """Put other arguments in; an object stays one."""
        if self.kind == "custom":
            self.holder["input"] = input_in(arguments)
        else:
            is_text = not isinstance(self.holder.get("arguments"), dict | list)
            self.holder["arguments"] = arguments if is_text else canonical.parse(arguments)


def input_in(arguments: str) -> str:
    """What a custom tool gets of arguments that wrap its input."""
    try:
        value = canonical.parse(arguments)
    except JsonError:
        return arguments
    text = value.get("input") if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments


def refuse_odd_keys(item: Object) -> None:
    """Raise BodyError for a known key of a call in other letters: some clients' parsers do not
    tell them apart."""
    for node in (item, item.get("function"), item.get("custom")):
        if isinstance(node, dict):
            fields.refuse_odd_keys(node, _FIELDS, "a tool call")


def entries(message: Object) -> Iterator[Entry]:
    """Every call in a message; raises BodyError where calls should be and are none."""
    listed = message.get("tool_calls")
    if listed is not None and not isinstance(listed, list):
        raise BodyError("tool_calls must be a list")
    for item in listed or ():
        if not isinstance(item, dict):
            raise BodyError("a tool call must be an object")
        refuse_odd_keys(item)
        yield Entry(item)
    legacy = message.get("function_call")
    if legacy is not None:
        if not isinstance(legacy, dict):
            raise BodyError("function_call must be an object")
        refuse_odd_keys(legacy)
        yield Entry(legacy, is_legacy=True)


def calls_of(
    request: Request, scope: str, messages: Sequence[Object], model: str = ""
) -> list[ToolCall]:
    """The calls of some messages; raises BodyError where two different ones share an id."""
    calls = [entry.call(request, scope, model) for m in messages for entry in entries(m)]
    digests: dict[str, str] = {}
    for call in calls:
        if digests.setdefault(call.id, call.digest) != call.digest:
            raise BodyError("two different tool calls have the same id")
    return calls


def replace_arguments(message: Object, arguments: Mapping[str, str]) -> None:
    """Put other arguments into calls, by call id."""
    for entry in list(entries(message)):
        if (new := arguments.get(entry.id)) is not None:
            entry.replace(new)


def withhold(message: Object, hidden: Mapping[str, str]) -> bool:
    """Take calls out; True when none is left, and the content tells the notices instead."""
    mine = [entry for entry in entries(message) if entry.id in hidden]
    gone = [id(entry.item) for entry in mine]
    listed = message.get("tool_calls")
    if isinstance(listed, list):
        listed[:] = [item for item in listed if id(item) not in gone]
        if not listed:
            del message["tool_calls"]
    if id(message.get("function_call")) in gone:
        del message["function_call"]
    if not mine or any(True for _ in entries(message)):
        return False
    message["content"] = with_text(
        message.get("content"), "\n".join(dict.fromkeys(hidden[entry.id] for entry in mine))
    )
    return True


def with_text(content: Json, text: str) -> Json:
    """A message's content with a text at its end."""
    if isinstance(content, list):
        return [*content, {"type": "text", "text": text}]
    return f"{content}\n{text}" if isinstance(content, str) and content else text


def text_of(content: Json) -> Json:
    """The text of a result: a string, or the one text part that it is made of."""
    part = content[0] if isinstance(content, list) and len(content) == 1 else None
    if isinstance(part, dict) and part.get("type") in ("text", "input_text"):
        text = part.get("text")
        return text if isinstance(text, str) else content
    return content


def refuse_strays(document: Json, read: Collection[int]) -> None:
    """Raise BodyError for calls that stand where nobody here has read them.

    `read` are the `id()`s of the messages that were. Keys count in any case.
    """
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            for key, value in node.items():
                is_carrier = key.casefold() in CARRIERS and isinstance(value, dict | list) and value
                if is_carrier and (id(node) not in read or key not in CARRIERS):
                    raise BodyError(f"there are calls under a {key[:40]!r} that is not a message's")
                if not is_carrier:
                    waiting.append(value)
