"""The pages that tell: activity, one call, coverage, agents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from callgate.console import charts, views
from callgate.console.charts import Column
from callgate.console.formats import EFFECTS
from callgate.console.parts import parts_of
from callgate.console.rendering import plain, render, session_of, signed_in
from callgate.console.sessions import Session
from callgate.console.tally import DAY, Tally
from callgate.model import SurfaceName
from callgate.store.base import Search

_PER_PAGE = 50
_SPANS = {"hour": (timedelta(hours=1), 60), "day": (DAY, 48)}


@signed_in
async def activity(request: Request, session: Session) -> Response:
    """Judged calls, newest first, as the filters in the address want them."""
    parts, query = parts_of(request), dict(request.query_params)
    found = await parts.store.search(views.wanted(query), _PER_PAGE)
    await parts.tally.refresh()
    span = query.get("span", "")
    span = span if span in _SPANS else "hour"
    chosen = {name: query[name] for name in (*views.FILTERS, "q") if query.get(name)}
    total = parts.tally.total(_SPANS[span][0])
    return await render(
        request,
        session,
        "activity",
        calls=await views.listed(parts.store, found.records),
        older=urlencode({**chosen, "span": span, "before": found.older}) if found.older else "",
        is_first="before" not in query,
        chosen=chosen,
        span=span,
        spans={name: urlencode({**chosen, "span": name}) for name in _SPANS},
        effects=EFFECTS,
        surfaces=list(SurfaceName),
        total={EFFECTS[effect]: total.decisions[effect] for effect in EFFECTS},
        decisions=_decisions(parts.tally, span),
        p95=total.took[""].quantile(0.95) if "" in total.took else None,
    )


@signed_in
async def call(request: Request, session: Session) -> Response:
    """Everything about one call."""
    store = parts_of(request).store
    whole = await views.whole(store, request.path_params["trace"])
    if whole is None:
        return await render(request, session, "missing", 404, what="call")
    return await render(request, session, "call", whole=whole)


@signed_in
async def elsewhere(request: Request, session: Session) -> Response:
    """A path that leads nowhere."""
    return await render(request, session, "missing", 404, what="page")


@signed_in
async def coverage(request: Request, session: Session) -> Response:
    """What was looked at, what was not, and how the scanners are."""
    parts = parts_of(request)
    await parts.tally.refresh()
    total = parts.tally.total()
    skipped = await parts.store.search(Search(kinds=["coverage"]), 10)
    return await render(
        request,
        session,
        "coverage",
        total=total,
        surfaces=list(SurfaceName),
        skipped=skipped.records,
        latency=_latency(parts.tally),
    )


@signed_in
async def agents(request: Request, session: Session) -> Response:
    """Who called, what, and how it was decided."""
    tally = parts_of(request).tally
    await tally.refresh()
    total = tally.total()
    names = sorted(
        {agent for agent, _ in total.agents}, key=lambda name: _weight(total.agents, name)
    )
    rows = [
        {
            "name": name,
            "seen": tally.last_seen(name),
            "decisions": {EFFECTS[e]: total.agents[name, e] for e in EFFECTS},
            "tools": _most_used(total.tools, name),
        }
        for name in names
    ]
    return await render(request, session, "agents", agents=rows)


async def events(request: Request) -> Response:
    """A stream that says when a page is out of date."""
    feed = parts_of(request).feed
    if session_of(request) is None:
        return plain(request, "refused", 403, error="you are not signed in (any more)")
    if feed.is_crowded:
        return plain(request, "refused", 503, error="too many pages are watching")
    stream = feed.events(lambda: session_of(request) is not None)
    return StreamingResponse(stream, media_type="text/event-stream")


def _weight(counts: dict[tuple[str, str], int], name: str) -> tuple[int, str]:
    return -sum(count for (key, _), count in counts.items() if key == name), name


def _most_used(counts: dict[tuple[str, str], int], agent: str) -> Sequence[str]:
    used = {tool: count for (name, tool), count in counts.items() if name == agent}
    return sorted(used, key=lambda tool: (-used[tool], tool))[:6]


def _decisions(tally: Tally, span: str) -> object:
    columns = [
        Column(begin, {EFFECTS[effect]: counts.decisions[effect] for effect in EFFECTS})
        for begin, counts in tally.series(*_SPANS[span])
    ]
    return charts.bars(columns, list(EFFECTS.values()), f"Decisions of the last {span}")


def _latency(tally: Tally) -> object:
    columns = []
    for begin, counts in tally.series(*_SPANS["day"]):
        times = counts.took.get("")
        values = {"p50": times.quantile(0.5), "p95": times.quantile(0.95)} if times else {}
        columns.append(Column(begin, {k: v for k, v in values.items() if v is not None}))
    return charts.lines(columns, ["p50", "p95"], "Time to judge a call, last day", "ms")
