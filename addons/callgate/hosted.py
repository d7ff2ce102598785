"""Hosted tools: run at the API, out of sight, so policies act on the request that enables them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from callgate.audit import record
from callgate.canonical import Json
from callgate.exchange import ApiError, Request
from callgate.gate import Gate
from callgate.lookup import Lookup
from callgate.model import Effect, Mode
from callgate.outcome import Choices, Refuse
from callgate.policy import Policy, Ruling
from callgate.surfaces.base import Endpoint, HostedTool, Outgoing

type Ruled = tuple[HostedTool, Ruling]


class HostedTools:
    """Rules on the tools that a request has the API run."""

    def __init__(
        self, gate: Gate, lookup: Lookup, policy: Callable[[], Policy], choices: Choices
    ) -> None:
        """See `Choices.on_denied_hosted_tool`."""
        self._gate = gate
        self._lookup = lookup
        self._policy = policy
        self._removes = choices.on_denied_hosted_tool == "remove"

    async def check(
        self, endpoint: Endpoint, request: Request, document: Json, outgoing: Outgoing
    ) -> Refuse | bool:
        """Refuse the request, or tell whether the document was changed.

        Raises UpstreamError when the API does not say which tools a request inherits, StoreError
        when the memory does not answer.
        """
        if not self._policy().governs_hosted:
            return False
        tools, owner = outgoing.hosted_tools, None
        if outgoing.inherits_tools_of:
            owner = await self._lookup.owner(endpoint, request, outgoing.inherits_tools_of)
            if owner is None:
                return False  # the API says itself that there is no such assistant
            tools = owner.outgoing.hosted_tools
        ruled = [(tool, self._rule(endpoint, tool, request, document)) for tool in tools]
        asked = [one for one in ruled if one[0].can_ask and _wants_a_person(one[1])]
        denied = [one for one in ruled if one[1].effect is not Effect.ALLOW and one not in asked]
        observes = self._gate.mode is Mode.OBSERVE
        outcome = "observed" if observes else "removed" if self._removes else "refused"
        await self._record(endpoint, request, document, denied, outcome)
        await self._record(endpoint, request, document, asked, "observed" if observes else "asks")
        if observes or not (denied or asked):
            return False
        if denied and not self._removes:
            return _denied(denied[0][0], outgoing.inherits_tools_of)
        if owner:
            endpoint.surface.inherit_tools(document, owner.document)
        if asked:
            endpoint.surface.ask_before(document, [tool.name for tool, _ in asked])
        if denied:
            endpoint.surface.remove_hosted_tools(document, [tool.name for tool, _ in denied])
        return True

    def _rule(
        self, endpoint: Endpoint, tool: HostedTool, request: Request, document: Json
    ) -> Ruling:
        assistant = text_of(document, "assistant_id")
        return self._policy().judge_hosted(
            tool.name,
            surface=endpoint.surface.name,
            agent=request.caller(assistant),
            assistant=assistant,
            model=text_of(document, "model"),
        )

    async def _record(
        self,
        endpoint: Endpoint,
        request: Request,
        document: Json,
        ruled: Sequence[Ruled],
        outcome: str,
    ) -> None:
        assistant = text_of(document, "assistant_id")
        records = [
            record.hosted_tool_record(
                endpoint.surface.name,
                tool.name,
                outcome,
                origin=request.origin,
                agent=request.caller(assistant),
                assistant=assistant,
                reasons=ruling.reasons,
                mode=self._gate.mode,
            )
            for tool, ruling in ruled
        ]
        if records:
            await self._gate.append(records)


def _wants_a_person(ruling: Ruling) -> bool:
    """The API is told to ask; then each call is judged, and may need a person, by itself."""
    return ruling.effect is Effect.REQUIRE_APPROVAL


def text_of(document: Json, key: str) -> str:
    """A field of a request as text; empty where it is none."""
    value = document.get(key) if isinstance(document, dict) else None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number or isinstance(value, str) else ""


def _denied(tool: HostedTool, inherited: str) -> Refuse:
    where = f" (a tool of assistant {inherited[:80]!r})" if inherited else ""
    return Refuse(
        ApiError(
            f"Callgate refused this request: policy denies the hosted tool {tool.name[:80]!r}"
            f"{where}, which the API would run out of Callgate's sight. Nothing was sent to the "
            "API. Leave the tool out"
            + (": name the tools that the run needs in its `tools`." if inherited else "."),
            "hosted_tool_denied",
            param="tools" if inherited else tool.path,
        )
    )
