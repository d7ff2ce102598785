"""Settings → a gate that works: the only place that chooses concrete parts."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import certifi

from callgate import __version__, canonical, upstream
from callgate.approvals import Approvals
from callgate.audit import record
from callgate.audit.keys import Keys
from callgate.audit.ledger import Ledger
from callgate.audit.mirror import FileSink, Mirror, Sink, SyslogSink
from callgate.audit.raw import Raw, read_recipient
from callgate.canonical import Json
from callgate.chain import Sealed
from callgate.conversations import Conversations
from callgate.delivery import Delivery
from callgate.detectors import Inspector, redact, redact_text
from callgate.detectors.instructions import Instructions
from callgate.detectors.redaction import found_texts
from callgate.enforcement import Enforcement
from callgate.errors import JsonError, SettingsError
from callgate.gate import Gate, Redact, Rules
from callgate.lookup import Lookup
from callgate.model import Effect, Finding, ToolCall, Verdict
from callgate.outcome import Choices
from callgate.policy import Policy, PolicyFile
from callgate.polling import Polling
from callgate.release import Releases
from callgate.reporting import Reports
from callgate.retention import Retention
from callgate.roster import GATEWAYS, Roster, roster
from callgate.scanners.flow import Flow
from callgate.scanners.local import Local, inspector_of
from callgate.settings import Settings
from callgate.settlement import Settlement
from callgate.store import open_store
from callgate.store.base import Record, Store
from callgate.toolbox import Toolbox
from callgate.wayback import WayBack

type ResultInspector = Callable[[str, object], tuple[Sequence[Finding], str | None]]
"""Findings in a tool's output, and the output without what was found where that differs."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What decides on calls, whatever front asks."""

    settings: Settings
    gate: Gate
    store: Store
    conversations: Conversations
    inspect_result: ResultInspector
    roster: Roster


@dataclass(frozen=True, slots=True)
class Assembled:
    """Everything that a running proxy needs and has to close."""

    settings: Settings
    enforcement: Enforcement
    store: Store
    scanner_states: Callable[[], Mapping[str, str]]
    """Of the scanners that are gateways; see `scanners.base.Gateway.state`."""
    parts: AsyncExitStack

    async def close(self) -> None:
        """Write the stop record and close every part, the store last; raises StoreError."""
        async with self.parts:
            await _end(self.settings, self.store)


@dataclass(frozen=True, slots=True)
class Books:
    """The store, and the mirrors of the chain that is written there."""

    store: Store
    wake: Callable[[], None]
    """Tells the mirrors that another process may have written."""


async def assemble(
    settings: Settings,
    policy: PolicyFile | None,
    approval_url: Callable[[str], str],
    upstream_roots: Path,
    on_record: Callable[[Record], None] | None = None,
) -> Assembled:
    """Build the gate; raises SettingsError or StoreError, and leaves nothing open then."""
    async with AsyncExitStack() as parts:
        current = _policy_in_force(policy)
        inspector = inspector_of(current)
        store = (await _books(settings, current, inspector, parts)).store
        engine = await _engine(
            settings, current, inspector, store, parts, approval_url, upstream_roots, on_record
        )
        enforcement = _enforcement(engine, current, parts, upstream_roots)
        await _begin(settings, current, store, parts)
        kept = parts.pop_all()
    return Assembled(settings, enforcement, store, engine.roster.states, kept)


@asynccontextmanager
async def running_engine(
    settings: Settings,
    policy: PolicyFile | None,
    approval_url: Callable[[str], str],
    on_record: Callable[[Record], None] | None = None,
) -> AsyncIterator[Engine]:
    """An engine without a proxy; start and end are recorded; raises SettingsError, StoreError.

    Other gateways are not asked: the address of one may well be this engine's own.
    """
    named = tuple(name for name in settings.scanner if name not in GATEWAYS)
    settings = settings.model_copy(
        update={"scanner": named or (Local.name,), "advisory_scanner": ()}
    )
    async with AsyncExitStack() as parts:
        current = _policy_in_force(policy)
        inspector = inspector_of(current)
        store = (await _books(settings, current, inspector, parts)).store
        roots = Path(certifi.where())
        engine = await _engine(
            settings, current, inspector, store, parts, approval_url, roots, on_record
        )
        await _begin(settings, current, store, parts)
        parts.push_async_callback(_end, settings, store)
        yield engine


@asynccontextmanager
async def open_books(settings: Settings, policy: PolicyFile | None) -> AsyncIterator[Books]:
    """The books of a process that judges no calls; raises SettingsError, StoreError."""
    async with AsyncExitStack() as parts:
        current = _policy_in_force(policy)
        yield await _books(settings, current, inspector_of(current), parts)


async def _books(
    settings: Settings,
    current: Callable[[], Policy],
    inspector: Inspector,
    parts: AsyncExitStack,
) -> Books:
    mirrors: list[Mirror] = []

    def wake() -> None:
        for mirror in mirrors:
            mirror.wake()

    ledger = _ledger(settings, current, inspector, wake)
    store = await open_store(settings.store_url, chain=ledger)
    parts.push_async_callback(store.close)
    await _mirrors(settings, store, ledger.instance, mirrors, parts)
    return Books(store, wake)


async def _begin(
    settings: Settings, current: Callable[[], Policy], store: Store, parts: AsyncExitStack
) -> None:
    start = record.process_record(
        "start", __version__, settings.mode, settings.loosened, policy=current().digest
    )
    await store.append([start])
    if settings.retention_days:
        retention = Retention(store, lambda: datetime.now(UTC), settings.retention_days)
        parts.push_async_callback(_ended, asyncio.ensure_future(retention.run()))


async def _end(settings: Settings, store: Store) -> None:
    await store.append([record.process_record("stop", __version__, settings.mode)])


def _policy_in_force(policy: PolicyFile | None) -> Callable[[], Policy]:
    permissive = Policy.permissive()
    return lambda: policy.current if policy else permissive


async def _mirrors(
    settings: Settings, store: Store, instance: str, mirrors: list[Mirror], parts: AsyncExitStack
) -> None:
    """Begin to mirror what the ledger commits from now on; raises StoreError."""
    sinks: list[Sink] = []
    if settings.audit_file:
        sinks.append(FileSink(settings.audit_file.expanduser(), instance))
    if settings.audit_syslog:
        sinks.append(SyslogSink(settings.audit_syslog))
    numbers = {chain.instance: chain.head.number for chain in await store.chains()}

    async def following(number: int) -> Sequence[Sealed]:
        return await store.following(instance, number)

    mirrors += [Mirror(sink, following, numbers.get(instance, 0)) for sink in sinks]
    for mirror in mirrors:
        parts.push_async_callback(mirror.close)


def _ledger(
    settings: Settings,
    current: Callable[[], Policy],
    inspector: Inspector,
    wake: Callable[[], None],
) -> Ledger:
    def stamp() -> dict[str, Json]:
        # a new policy counts from the next record on, in each of them
        said: dict[str, Json] = {"version": __version__, "mode": settings.mode.value}
        said["policy"] = current().digest
        return said | ({"loosened": list(settings.loosened)} if settings.loosened else {})

    return Ledger(
        Keys(settings.home.expanduser() / "keys"),
        lambda: datetime.now(UTC),
        stamp,
        wake,
        redact=lambda text: redact_text(text, inspector),
    )


async def _engine(
    settings: Settings,
    current: Callable[[], Policy],
    inspector: Inspector,
    store: Store,
    parts: AsyncExitStack,
    approval_url: Callable[[str], str],
    upstream_roots: Path,
    on_record: Callable[[Record], None] | None,
) -> Engine:
    conversations = Conversations(store)
    named = roster(settings, os.environ, lambda: Local(current, inspector), upstream_roots)
    # whoever else is asked: what a conversation has heard is known here only
    scanners = [*named.scanners, Flow(current, conversations.marks)]
    for scanner in scanners:
        parts.push_async_callback(scanner.close)
    approvals = Approvals(
        store,
        clock=lambda: datetime.now(UTC),
        ttl_seconds=settings.approval_ttl_seconds,
        url=approval_url,
    )
    rules = Rules(
        mode=settings.mode,
        on_scanner_error=Effect(settings.on_scanner_error.upper()),
        scan_timeout_seconds=settings.scan_timeout_seconds,
        advisory=named.advisory,
    )
    polling = Polling(approvals, store, named.gateways)
    parts.push_async_callback(polling.close)
    gate = Gate(
        rules,
        store,
        scanners,
        approvals,
        redactor(inspector),
        lambda: current().digest,
        on_record,
        polling.follow,
        _raw(settings, store),
        # a gateway asks people, and may cost money: each call is shown to it once
        looks_first=bool(named.gateways),
    )
    of_results = result_inspector(inspector_of(current, Instructions()))
    await polling.resume()
    return Engine(settings, gate, store, conversations, of_results, named)


def _enforcement(
    engine: Engine, current: Callable[[], Policy], parts: AsyncExitStack, upstream_roots: Path
) -> Enforcement:
    settings, gate, conversations = engine.settings, engine.gate, engine.conversations
    sender = _upstream(settings, upstream_roots)
    parts.push_async_callback(sender.close)
    reports = Reports(gate, engine.roster.classifiers)
    parts.push_async_callback(reports.close)
    choices = Choices(
        max_bytes=settings.max_body_mib << 20,
        on_denied_result=settings.on_denied_result,
        on_denied_hosted_tool=settings.on_denied_hosted_tool,
        unknown_result=settings.unknown_result,
        realtime_uninspectable=settings.realtime_uninspectable,
        unknown_endpoints=settings.unknown_endpoints,
        results=settings.results,
    )
    lookup = Lookup(sender)
    toolbox = Toolbox()
    wayback = WayBack(
        gate,
        lookup,
        current,
        engine.inspect_result,
        conversations,
        toolbox,
        choices,
        reports.tell,
    )
    settlement = Settlement(gate, lookup, sender)
    delivery = Delivery(gate, lookup, settlement, conversations, toolbox)
    releases = Releases(gate, lookup, settlement, conversations, toolbox, choices.max_bytes)
    return Enforcement(gate, wayback, delivery, releases, choices)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _raw(settings: Settings, store: Store) -> Raw:
    keep = settings.keep_arguments
    return Raw(store.keyed, found_texts, read_recipient(keep) if keep else None)


def _upstream(settings: Settings, roots: Path) -> upstream.HttpUpstream:
    try:
        context = upstream.trust(str(roots))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"upstream_ca: {roots} can not be used: {error}") from error
    return upstream.HttpUpstream(
        context,
        settings.upstream_timeout_seconds,
        settings.max_body_mib << 20,
        settings.upstream_proxy,
    )


def redactor(inspector: Inspector) -> Redact:
    """Arguments without secrets and personal data, for the store and for people."""

    def redacted(call: ToolCall, verdicts: Sequence[Verdict]) -> str:
        try:
            arguments = canonical.parse(call.arguments) if call.arguments.strip() else {}
        except JsonError:
            return redact_text(call.arguments, inspector)
        found = [finding for verdict in verdicts for finding in verdict.findings]
        # where the local scanner answered, it has shown every string to this inspector
        if not any(verdict.scanner == Local.name and verdict.is_final for verdict in verdicts):
            found += inspector.inspect(call.name, arguments, call.fields)
        return canonical.dump(redact(arguments, found)).decode()

    return redacted


def result_inspector(inspector: Inspector) -> ResultInspector:
    """Findings in a tool's output, and the output without what was found."""

    def inspect(tool: str, output: object) -> tuple[Sequence[Finding], str | None]:
        value: Json = output  # type: ignore[assignment]  # decoded JSON by contract
        findings = inspector.inspect(tool, value)
        cleaned = redact(value, findings)
        if cleaned == value:
            return findings, None
        text = cleaned if isinstance(cleaned, str) else canonical.dump(cleaned).decode()
        return findings, text

    return inspect
