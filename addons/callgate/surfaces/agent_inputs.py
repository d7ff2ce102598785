"""What an app says to an agent session: which of its events answer calls, and Callgate's own.

Types: openai SDK `types/beta/agent_session_input_param.py`. A result tells by `success` whether
it is an `output` or an `error`; approvals are answered by a decision or an action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from callgate.canonical import Json
from callgate.errors import BodyError
from callgate.model import ToolResult
from callgate.surfaces import agent_items, agent_sessions, fields, said
from callgate.surfaces.agent_items import COMPUTER, MCP
from callgate.surfaces.base import Substitute
from callgate.surfaces.fields import Object

_INPUT = "agent.session.input."
_RESULT = f"{_INPUT}tool_result"
_APPROVALS = frozenset((f"{_INPUT}{MCP}_result", f"{_INPUT}{COMPUTER}_result"))
_REFUSALS = frozenset(("deny", "cancel"))
_SIGNS = frozenset(("call_id", "request_id"))
_TEXTS = ("input_text", "output_text", "text")
_FIELDS = frozenset(
    str.split("events type call_id turn_id success output error request_id response input")
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One event that answers a call."""

    event: Object
    path: str
    id: str

    @property
    def is_approval(self) -> bool:
        """It answers a question, and carries no result."""
        return self.event["type"] in _APPROVALS

    @property
    def is_refusal(self) -> bool:
        """Declining a request is always in order."""
        told = self._decisions if self.is_approval else []
        return bool(told) and all(one in _REFUSALS for one in told)

    @property
    def _decisions(self) -> list[Json]:
        response = self._response
        return [response[key] for key in ("decision", "action") if response.get(key) is not None]

    @property
    def _response(self) -> Object:
        response = self.event.get("response")
        if not isinstance(response, dict):
            raise BodyError(f"{self.path}.response must be an object", f"{self.path}.response")
        return response

    @property
    def result(self) -> ToolResult:
        """The answer as it is judged; what a person has filled in for a browser is left out."""
        if self.is_approval:
            told = self._decisions
            key = "decision" if "decision" in self._response else "action"
            return ToolResult(
                self.id, told[0] if len(told) == 1 else [*told], f"{self.path}.response.{key}"
            )
        given = [key for key in ("output", "error") if self.event.get(key) is not None]
        if len(given) > 1:
            # which of them counts only the API knows
            both: list[Json] = [self.event[key] for key in given]
            return ToolResult(self.id, both, f"{self.path}.output")
        key = given[0] if given else self.key
        return ToolResult(self.id, _text_of(self.event.get(key)), f"{self.path}.{key}")

    @property
    def key(self) -> str:
        """Where the result belongs."""
        return "error" if self.event.get("success") is False else "output"

    def put(self, text: str) -> None:
        """Say something else; what was asked for approval is denied."""
        if not self.is_approval:
            self.event.pop("output", None)
            self.event.pop("error", None)
            self.event[self.key] = text
            return
        response = self._response
        if "action" in response:
            self.event["response"] = {"type": response.get("type"), "action": "cancel"}
        else:
            response["decision"] = "deny"


def answers_of(document: Object) -> Iterator[Answer]:
    """The events of a request that answer calls; raises BodyError for what may be one."""
    listed = document.get("events")
    for index, event in enumerate(
        [] if listed is None else agent_sessions.objects(listed, "events")
    ):
        path = f"events[{index}]"
        fields.refuse_odd_keys(event, _FIELDS, "an input")
        kind = event.get("type")
        if not isinstance(kind, str):
            raise BodyError(f"{path}.type must be a string", f"{path}.type")
        if kind != _RESULT and kind not in _APPROVALS:
            continue
        key = "request_id" if kind in _APPROVALS else "call_id"
        id = event.get(key)
        if not isinstance(id, str) or not id or len(_SIGNS & event.keys()) > 1:
            raise BodyError(f"{path}.{key} must be the id of one call", f"{path}.{key}")
        yield Answer(event, path, id)


def refuse_strays(document: Object, answers: Sequence[Answer]) -> None:
    """Raise BodyError for answers that stand where nobody here has read them."""
    read = {id(answer.event) for answer in answers}
    for node in agent_items.beside(document, read):
        fields.refuse_odd_keys(node, _FIELDS, "an input")
        kind = node.get("type")
        is_answer = isinstance(kind, str) and kind.startswith(_INPUT) and kind.endswith("_result")
        if is_answer or _SIGNS & node.keys():
            raise BodyError("a result of a tool call stands where the API has none")


def _text_of(output: Json) -> Json:
    part = output[0] if isinstance(output, list) and len(output) == 1 else None
    text = part.get("text") if isinstance(part, dict) and part.get("type") in _TEXTS else None
    return text if isinstance(text, str) else output


def said_in(document: Object) -> Iterator[str]:
    """What the user, and the operator as the agent's instructions, say in a request."""
    agent, listed = document.get("agent"), document.get("events")
    first = document.get("input")
    if isinstance(agent, dict):
        yield from said.texts_of(agent.get("instructions"))
    yield from [first] if isinstance(first, str) else said.said_in(first)
    for event in listed if isinstance(listed, list) else ():
        if isinstance(event, dict):
            yield from said.said_in(event.get("input"))


def replace_results(document: Object, outputs: Sequence[Substitute]) -> None:
    """Put other outputs into answers; none are added, as the API wants no others with them."""
    texts = {output.call_id: output.text for output in outputs}
    for answer in list(answers_of(document)):
        if answer.id in texts:
            answer.put(texts[answer.id])


def denials(scope: str, notices: Mapping[str, str]) -> list[Json]:
    """Events that answer calls of a turn (its scope: `agent_sessions.answer_scope`) with notices.

    Raises ValueError for a scope that does not tell how its calls are answered.
    """
    how = agent_sessions.answered_by(scope)
    if how.form == "turns":
        result: Object = {"type": _RESULT, **({"turn_id": how.detail} if how.detail else {})}
        return [
            {**result, "call_id": id, "success": False, "error": text}
            for id, text in notices.items()
        ]
    kind = f"{_INPUT}{how.form}_result"
    if kind not in _APPROVALS:
        raise ValueError(f"nobody knows how to answer calls of {scope[:80]!r}")
    is_form = how.detail == "browser_authentication"
    response: Object = {"action": "cancel"} if is_form else {"decision": "deny"}
    return [
        {"type": kind, "request_id": id, "response": {"type": how.detail, **response}}
        for id in notices
    ]
