"""What holds for the calls of a turn, in a whole body as in a stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from callgate import annotation
from callgate.exchange import Request
from callgate.gate import Gate
from callgate.judgement import awaits_person, is_undecided
from callgate.lookup import calls_of
from callgate.model import Decision, Effect, ToolCall
from callgate.outcome import RefusedError, not_answerable
from callgate.surfaces.base import Substitute, Turn
from callgate.toolbox import Toolbox


async def decide(
    gate: Gate, toolbox: Toolbox, found: Sequence[Turn], request: Request
) -> list[Decision]:
    """Decide on every call once; calls that are only told, as where they were issued.

    They belong to the conversation of the request that is answered with them, where that told
    one, and are of the tools that its sender has defined. Raises StoreError when the memory of
    those that are told does not answer.
    """
    for turn in found:
        toolbox.learn(request, turn.node)
    issued = _known(toolbox, request, [turn for turn in found if not turn.is_told])
    told = _known(toolbox, request, [turn for turn in found if turn.is_told])
    decisions = await gate.decide(issued, is_answer=True)
    known = {decision.call.key for decision in decisions}
    return [*decisions, *await gate.recall([call for call in told if call.key not in known])]


def _known(toolbox: Toolbox, request: Request, turns: Sequence[Turn]) -> list[ToolCall]:
    return [
        replace(
            call,
            conversation=request.conversation or call.conversation,
            fields=toolbox.fields(request, call.name),
        )
        for call in calls_of(turns)
    ]


async def decided(
    gate: Gate,
    found: Sequence[Turn],
    decisions: list[Decision],
    again: Callable[[], Awaitable[list[Decision]]],
) -> list[Decision]:
    """Wait until the calls of some turns are decided, by `again` and again.

    A run goes on waiting for its calls, so a failed scanner is asked once more; other turns
    are answered once, and there its DENY counts. Raises CallgateError when a turn expires.
    """
    is_open = is_undecided if any(turn.is_polled for turn in found) else awaits_person
    if not any(map(is_open, decisions)):
        return decisions
    await gate.delivered(filter(is_open, decisions), "held")
    expires_at = next((turn.expires_at for turn in found if turn.expires_at), None)
    return await gate.decided(again, is_open, expires_at)


def refuse_unanswerable(turns: Iterable[Turn], decisions: Sequence[Decision]) -> None:
    """Raise RefusedError for a denied call that the app must not see and no notice answers."""
    ids = {id for turn in turns for id in turn.unanswerable}
    for decision in decisions:
        if decision.effect is Effect.DENY and decision.call.id in ids:
            raise RefusedError(not_answerable(decision))


def substitutes(decisions: Iterable[Decision]) -> list[Substitute]:
    """What stands in for the results of denied calls."""
    return [Substitute(d.call.id, annotation.notice(d), d.call.kind) for d in decisions]


def notices(decisions: Iterable[Decision]) -> dict[str, str]:
    """Notices by call id."""
    return {decision.call.id: annotation.notice(decision) for decision in decisions}
