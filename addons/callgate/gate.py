"""The one path of every tool call: known? → scanners → combine → approval → record → decision.

Fails closed: a scanner that raises or takes too long, and a store that does not answer, make a
DENY that is not remembered, so that the next look at the same call tries again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from callgate import canonical
from callgate.approvals import Approvals
from callgate.audit import record
from callgate.audit.raw import Raw
from callgate.bounded import trim
from callgate.errors import CallgateError, StoreError
from callgate.judgement import combine, failure, is_sound, judge_form, sure_delivery, undecided
from callgate.model import (
    QUOTED,
    ApprovalState,
    CallKey,
    Decision,
    Effect,
    Mode,
    Reason,
    ToolCall,
    Verdict,
)
from callgate.once import Once, Tell
from callgate.scanners.base import Scanner
from callgate.store.base import Record, Store
from callgate.store.outcome import settle

_log = logging.getLogger(__name__)

_SETTLED, _SEEN = 2_000, 5_000
"""How many decisions, kilobytes each, and deliveries are known without asking the store: enough
for what is polled now, and a gate that runs for weeks does not grow."""
_TRY_AGAIN_SECONDS = 1.0
_LARGE_CHARACTERS = 4096
"""Larger arguments are redacted in a thread, and only the store remembers them."""

type Redact = Callable[[ToolCall, Sequence[Verdict]], str]
"""A call's arguments without secrets, given what the scanners saw in them."""

type Delivery = tuple[CallKey, str]

type _Asked = tuple[ToolCall, bool]
"""A call, and whether its app gets it next."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the gate was told about failing and recording."""

    mode: Mode
    on_scanner_error: Effect = Effect.DENY
    scan_timeout_seconds: float = 10.0
    advisory: frozenset[str] = frozenset()
    """Names of scanners whose verdicts are recorded and decide nothing."""


class Gate:
    """Decides on tool calls, once each, and records what was decided and delivered."""

    def __init__(
        self,
        rules: Rules,
        store: Store,
        scanners: Sequence[Scanner],
        approvals: Approvals,
        redact: Redact,
        policy_digest: Callable[[], str],
        on_record: Callable[[Record], None] | None = None,
        on_asked: Callable[[Decision], None] | None = None,
        raw: Raw | None = None,
        *,
        looks_first: bool = True,
    ) -> None:
        """`redact` gives what may be stored of a call's arguments; it may run in a thread.

        `on_record` is told of every record that was stored, `on_asked` of every new decision
        that waits for a person; they must not raise. `raw` gives what records keep of raw
        values; without it, keyed hashes of the whole. With `looks_first` the store is asked
        for a call before any scanner is. Where a scan costs less than a look, that is left out
        for calls that this process has not seen: of several verdicts the store keeps the first.
        """
        self._rules = rules
        self._store = store
        self._scanners = scanners
        self._approvals = approvals
        self._redact = redact
        self._policy_digest = policy_digest
        self._on_record = on_record
        self._on_asked = on_asked
        self.raw = raw or Raw(store.keyed)
        self._looks_first = looks_first
        self._settled: OrderedDict[CallKey, Decision] = OrderedDict()
        self._delivered: OrderedDict[int, None] = OrderedDict()
        """Hashes of deliveries: a fifth of the room, and one taken for another lacks a record."""
        self._stored: OrderedDict[int, None] = OrderedDict()
        """Hashes of the keys of calls that only the store remembers."""
        self._deciding = Once(self._look_up_or_judge)
        self._delivering = Once(self._record_delivery)

    @property
    def mode(self) -> Mode:
        """The mode that records carry."""
        return self._rules.mode

    async def decide(self, calls: Sequence[ToolCall], *, is_answer: bool = False) -> list[Decision]:
        """Decide on calls, side by side, in their order; never raises for a failing part.

        `is_answer`: the app gets them next, and only `delivered` comes in between. Then what is
        certain to be delivered is recorded in the same transaction as its verdict.
        """
        found = {call.key: self._settled[call.key] for call in calls if call.key in self._settled}
        # of siblings, one may hold the others back
        is_shown = is_answer and (self._rules.mode is not Mode.WITHHOLD or len(calls) == 1)
        unknown = {call.key: (call, is_shown) for call in calls if call.key not in found}
        found |= await self._deciding.run(unknown)
        # the store has only redacted arguments: hand back the call as it is on the wire
        return [replace(found[call.key], call=call) for call in calls]

    async def _look_up_or_judge(
        self, asked: dict[CallKey, _Asked], tell: Tell[CallKey, Decision]
    ) -> None:
        known: dict[CallKey, Decision] = {}
        try:
            keys = [key for key in asked if self._looks_first or hash(key) in self._stored]
            known = await self._store.get(keys) if keys else {}
            self._keep(known.values())
            tell(known)
            new = [question for key, question in asked.items() if key not in known]
            if new:
                tell(await self._judge(new))
        except StoreError as error:
            _log.error("store: %s", error)
            why = "the memory of verdicts did not answer"
            verdict = undecided("store", Reason.STORE_UNAVAILABLE, why)
            left = {key: call for key, (call, _) in asked.items() if key not in known}
            tell({key: combine(call, [verdict]) for key, call in left.items()})

    async def _judge(self, asked: Sequence[_Asked]) -> dict[CallKey, Decision]:
        """Scan, remember and record; raises StoreError."""
        decisions = await asyncio.gather(*(self._scan(call) for call, _ in asked))
        policy = self._policy_digest()
        records = [
            self._recorded(decision, policy, is_shown=is_shown)
            for decision, (_, is_shown) in zip(decisions, asked, strict=True)
        ]
        kept = await self._store.put(decisions, [rec for some in records for rec in some])
        self._keep(kept.values())
        # another proxy may have been first: then its decision counts, and its record stands
        for some, decision in zip(records, decisions, strict=True):
            if kept[decision.call.key].trace == decision.trace:
                got = (str(rec["delivery"]) for rec in some if "delivery" in rec)
                self._delivered.update({hash((decision.call.key, one)): None for one in got})
                self._tell(some)
                approval = decision.approval
                is_asked = approval is not None and approval.state is ApprovalState.PENDING
                if self._on_asked and is_asked and decision.is_final:
                    self._on_asked(decision)
        trim(self._delivered, _SEEN)
        return kept

    def _sure_delivery(self, decision: Decision) -> str | None:
        """What is to be recorded together with the decision, see `decide`."""
        delivery = sure_delivery(decision, self._rules.mode)
        if delivery is None:
            return None
        key = (decision.call.key, delivery)
        return None if hash(key) in self._delivered or key in self._delivering else delivery

    def _recorded(self, decision: Decision, policy: str, *, is_shown: bool) -> list[Record]:
        judged: Record = record.call_record(
            decision, self._rules.mode, policy, self.raw.of_call(decision)
        )
        approval = decision.approval
        if approval is not None and approval.decided_at is not None:
            return [judged, record.approval_record(settle(decision, approval))]
        if is_shown and (delivery := self._sure_delivery(decision)):
            return [judged, record.delivery_record(decision, delivery, self._rules.mode)]
        return [judged]

    async def _scan(self, call: ToolCall) -> Decision:
        verdict = judge_form(call)
        verdicts = [verdict] if verdict else await self._ask_scanners(call)
        decision = combine(call, verdicts)
        if len(call.arguments) > _LARGE_CHARACTERS:
            decision = await asyncio.to_thread(self._storable, decision)
        else:
            decision = self._storable(decision)
        if decision.effect is Effect.REQUIRE_APPROVAL:
            # asked once, also where it is a scanner's failure that needs a person
            approval = await self._approvals.standing(decision) or await self._approvals.ask_for(
                decision
            )
            return replace(decision, approval=approval, is_final=True)
        return decision

    def _storable(self, decision: Decision) -> Decision:
        """Leave nothing in the decision, but for the call itself, that must not be stored.

        Arguments that replace the raw ones are stored as well, so nothing stays in them that
        a detector was told to let pass.
        """
        call, sanitized = decision.call, decision.sanitized_arguments
        if sanitized is not None:
            sanitized = self._redact(replace(call, arguments=sanitized), ())
        return replace(
            decision,
            verdicts=tuple(replace(v, sanitized_arguments=None) for v in decision.verdicts),
            sanitized_arguments=sanitized,
            redacted_arguments=self._redact(call, decision.verdicts),
        )

    async def _ask_scanners(self, call: ToolCall) -> list[Verdict]:
        clock = asyncio.get_running_loop().time
        took_ms: dict[str, float] = {}

        async def ask(scanner: Scanner) -> Verdict:
            begin = clock()
            try:
                return await asyncio.wait_for(scanner.scan(call), self._rules.scan_timeout_seconds)
            finally:
                took_ms[scanner.name] = round((clock() - begin) * 1000, 1)

        answers: Sequence[object] = await asyncio.gather(
            *map(ask, self._scanners), return_exceptions=True
        )
        verdicts = [
            answer if is_sound(answer) else self._failed(scanner.name, answer)
            for scanner, answer in zip(self._scanners, answers, strict=True)
        ]
        return [
            replace(
                verdict,
                took_ms=took_ms.get(scanner.name, 0.0),
                is_advisory=scanner.name in self._rules.advisory,
            )
            for scanner, verdict in zip(self._scanners, verdicts, strict=True)
        ]

    def _failed(self, scanner: str, answer: object) -> Verdict:
        why, kind = failure(answer)
        _log.error("scanner %s %s", scanner, why)
        if isinstance(answer, BaseException):
            _log.debug("scanner %s", scanner, exc_info=answer)
        return undecided(
            scanner,
            Reason.SCANNER_UNAVAILABLE,
            f"the {scanner} scanner {why}",
            self._rules.on_scanner_error,
            kind,
        )

    def _keep(self, decisions: Iterable[Decision]) -> None:
        """Remember in memory what can not change any more."""
        for decision in decisions:
            size = len(decision.call.arguments) + len(decision.sanitized_arguments or "")
            can_change = decision.effect is Effect.REQUIRE_APPROVAL or not decision.is_final
            if not can_change and size <= _LARGE_CHARACTERS:
                self._settled[decision.call.key] = decision
            elif decision.is_final:
                self._stored[hash(decision.call.key)] = None
        trim(self._settled, _SETTLED)
        trim(self._stored, _SEEN)

    async def recall(self, calls: Sequence[ToolCall]) -> list[Decision]:
        """Decide on calls that a history quotes, in their order.

        As they were decided where they were issued to the same agent; the strictest decision,
        where servers give an id twice. Under a known id but with another name or arguments
        than any that was issued, a call is judged anew, and everything decided under that id
        counts; to have been quoted before is not to have been issued. Raises StoreError.
        """
        found: dict[CallKey, list[Decision]] = {}
        unknown: list[ToolCall] = []
        seen = await self._seen(calls)
        for call in dict.fromkeys(calls):
            mine = [d for d in seen if d.call.id == call.id and d.call.agent == call.agent]
            issued = [decision for decision in mine if decision.call.scope != QUOTED]
            same = [decision for decision in issued if self._is_same(decision, call)]
            found[call.key] = same or mine
            if not same:
                unknown.append(call)
        for decision in await self.decide(unknown):
            found[decision.call.key] = [*found[decision.call.key], decision]
        strictest = {
            key: max(some, key=lambda d: d.effect.strictness) for key, some in found.items()
        }
        return [replace(strictest[call.key], call=call) for call in calls]

    async def seen(
        self, surface: str, origin: str, ids: Sequence[str], agent: str
    ) -> list[Decision]:
        """Return the decisions on calls of these ids that the agent was given, in any scope.

        Raises StoreError.
        """
        found = await self._store.seen(surface, origin, ids) if ids else []
        return [decision for decision in found if decision.call.agent == agent]

    async def _seen(self, calls: Sequence[ToolCall]) -> list[Decision]:
        ids: dict[tuple[str, str], list[str]] = {}
        for call in calls:
            ids.setdefault((call.surface, call.origin), []).append(call.id)
        found: list[Decision] = []
        for (surface, origin), some in ids.items():
            found += await self._store.seen(surface, origin, some)
        return found

    def _is_same(self, decision: Decision, call: ToolCall) -> bool:
        """The quoted call is the one decided on, as the API issued it or as the app got it."""
        if decision.call.digest == self._store.keyed(call.digest):
            return True
        sanitized = decision.sanitized_arguments
        return sanitized is not None and call.digest == canonical.call_digest(
            call.kind, call.name, sanitized
        )

    async def decided(
        self,
        decide: Callable[[], Awaitable[list[Decision]]],
        is_open: Callable[[Decision], bool],
        until: float | None = None,
    ) -> list[Decision]:
        """Decide again and again until none of the decisions is open any more.

        `until` is in seconds since 1970; raises CallgateError when it comes first.
        """
        decisions = await decide()
        while waiting := [d for d in decisions if is_open(d)]:
            left = None if until is None else max(until - self._approvals.now().timestamp(), 0)
            try:
                await asyncio.wait_for(self.reconsidered(waiting), left)
            except TimeoutError as error:
                raise CallgateError(
                    "the run expired while a tool call waited for its decision"
                ) from error
            decisions = await decide()
        return decisions

    async def known(self, surface: str, origin: str, scope: str) -> list[Decision]:
        """Return every remembered decision of a scope; raises StoreError."""
        return await self._store.find(surface, origin, scope)

    async def delivered(self, decisions: Iterable[Decision], delivery: str) -> None:
        """Record what the app got of these calls: once each, however often it is polled.

        Raises StoreError: what can not be recorded must not be delivered.
        """
        got = {(decision.call.key, delivery): decision for decision in decisions}
        new = {key: decision for key, decision in got.items() if hash(key) not in self._delivered}
        await self._delivering.run(new)

    async def _record_delivery(
        self, new: dict[Delivery, Decision], tell: Tell[Delivery, None]
    ) -> None:
        await self.append(
            [
                record.delivery_record(decision, delivery, self._rules.mode)
                for (_, delivery), decision in new.items()
            ]
        )
        self._delivered.update(dict.fromkeys(map(hash, new)))
        trim(self._delivered, _SEEN)
        tell(dict.fromkeys(new))

    async def reconsidered(self, decisions: Sequence[Decision]) -> None:
        """Return when it is worth deciding again on calls that are undecided.

        That is when a person has decided one of them, or after a second where a scanner or
        the store could not.
        """
        asked = [decision.approval.id for decision in decisions if decision.approval]
        try:
            if asked:
                await self._approvals.decided(asked)
            else:
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
        except StoreError as error:
            _log.error("store: %s", error)
            await asyncio.sleep(_TRY_AGAIN_SECONDS)

    async def append(self, records: Sequence[Record]) -> None:
        """Append records of refusals, results and coverage; raises StoreError."""
        await self._store.append(records)
        self._tell(records)

    def _tell(self, records: Iterable[Record]) -> None:
        if self._on_record:
            for rec in records:
                self._on_record(rec)
