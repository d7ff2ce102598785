"""Aegis' gateway as the package `aegis-openai` sees it: `/execute`, approvals, a web firewall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from tests.standins.gateway import Asked, Reply, StandIn

KEY = "acp_" + "test"
WAF_PAGE = Reply(403, b"<html>Request blocked.</html>", {"Content-Type": "text/html"})


class AegisGateway:
    """Decides by tool; keeps approvals."""

    def __init__(self) -> None:
        self.http = StandIn(self._answer)
        self.replies: dict[str, Reply] = {}
        """By tool; everything else is allowed."""
        self.approvals: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.__exit__()

    @property
    def url(self) -> str:
        return self.http.url

    def _answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return Reply(401, {"detail": "unauthorized"})
        if asked.path == "/execute":
            return self.replies.get(asked.body["tool"], allowed())
        id = asked.path.removeprefix("/v1/approvals/").removesuffix("/status")
        if id in self.approvals:
            return Reply(body={"data": {"approval_id": id, "status": self.approvals[id]}})
        return Reply(404, {"detail": "not found"})


def allowed() -> Reply:
    return decided("allow", risk=0.1)


def decided(action: str, status: int = 200, **more: object) -> Reply:
    """A decision in its envelope."""
    data: Mapping[str, Any] = {"action": action, "findings": [], **more}
    return Reply(status, {"success": True, "data": data, "error": None})
