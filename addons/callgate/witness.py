"""Who was asked for through the proxy: for those who want to know whether an app uses it at all."""

from __future__ import annotations

from mitmproxy import http

from callgate.hosts import Hosts


class Witness:
    """An addon that changes nothing; sets of `host:port`, filled as connections are made."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self.asked: set[str] = set()
        """Every host of a `CONNECT` or a plain request, whether or not it was reached."""
        self.gated: set[str] = set()
        """Gated hosts of which the proxy has read a request: the CA is trusted, the call seen."""

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Note what a tunnel leads to."""
        self.asked.add(f"{flow.request.host}:{flow.request.port}")

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Note what a request is for."""
        port = flow.request.port
        names = (flow.request.host, flow.client_conn.sni, flow.request.pretty_host)
        self.asked.add(f"{flow.request.host}:{port}")
        self.gated |= {f"{name}:{port}" for name in names if self._hosts.match(name, port)}
