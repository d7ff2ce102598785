"""Shows each guard a call that its rules deny and one that they allow."""

from __future__ import annotations

import re
from collections.abc import Sequence

from asking import Answer, exchange
from chatting import ALLOWED, DENIED, chat
from figures import Guarded
from goals import GUARDS
from load import connect
from rig import Config

_VERDICT = re.compile(rb"decision=(allow|deny)")
_CALL_ID = re.compile(rb'"id": ?"(call_\d+)"')


async def shown(configs: Sequence[Config], when: str) -> list[Guarded]:
    """What the guards among them do, whole and streamed."""
    return [
        Guarded(
            contestant=config.name,
            promise=promise,
            streamed=streamed,
            when=when,
            is_kept=is_kept,
        )
        for config in configs
        if config.name in GUARDS
        for streamed in (False, True)
        for promise, is_kept in (await _promises(config, streamed)).items()
    ]


async def _promises(config: Config, streamed: bool) -> dict[str, bool]:
    allowed = await _ask(config, chat(config.route, ALLOWED, streamed=streamed))
    denied = await _ask(config, chat(config.route, DENIED, streamed=streamed))
    kept = {"an allowed call reaches the app": _calls(allowed, ALLOWED)}
    if config.name == "litellm":
        return kept | {"a denied call does not reach the app": not _calls(denied, DENIED)}
    told = {"every verdict is told": [_verdict(allowed), _verdict(denied)] == [b"allow", b"deny"]}
    if config.name == "withhold":
        return kept | told | {"a denied call does not reach the app": not _calls(denied, DENIED)}
    id = _CALL_ID.search(denied.body)
    result = chat(config.route, DENIED, streamed=streamed, result_of=id[1].decode() if id else "")
    refused = await _ask(config, result)
    is_refused = refused.status == 403 and b"tool_call_denied" in refused.body
    return kept | told | {"the result of a denied call is refused": is_refused}


async def _ask(config: Config, request: bytes) -> Answer:
    """What keeps no promise, where no whole response comes."""
    reader, writer = await connect(config.route)
    try:
        return await exchange(reader, writer, request)
    except (EOFError, OSError, ValueError):
        return Answer(b"http/1.1 000 none", b"", 0)
    finally:
        writer.close()


def _calls(answer: Answer, tool: str) -> bool:
    return answer.status == 200 and bool(re.search(rb'"name": ?"%b"' % tool.encode(), answer.body))


def _verdict(answer: Answer) -> bytes:
    said = _VERDICT.search(answer.head + answer.body)
    return said[1] if said else b""
