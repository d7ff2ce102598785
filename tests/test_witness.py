"""Who was asked for through the proxy."""

from __future__ import annotations

from mitmproxy.test import tflow, tutils

from callgate.hosts import Hosts
from callgate.witness import Witness


def test_hosts_are_noted_and_the_gated_apart() -> None:
    witness = Witness(Hosts(["api.openai.com"]))
    for host in ("api.openai.com", "example.org"):
        witness.requestheaders(tflow.tflow(req=tutils.treq(host=host, port=443, headers=())))

    assert witness.asked == {"api.openai.com:443", "example.org:443"}
    assert witness.gated == {"api.openai.com:443"}


def test_tunnel_alone_is_asked_for_but_not_read() -> None:
    witness = Witness(Hosts(["api.openai.com"]))
    witness.http_connect(tflow.tflow(req=tutils.treq(host="api.openai.com", port=443)))

    assert witness.asked == {"api.openai.com:443"}
    assert witness.gated == set()


def test_dialled_address_counts_by_the_name_of_the_handshake() -> None:
    witness = Witness(Hosts(["api.openai.com"]))
    flow = tflow.tflow(req=tutils.treq(host="192.0.2.1", port=443, headers=()))
    flow.client_conn.sni = "api.openai.com"
    witness.requestheaders(flow)

    assert witness.gated == {"api.openai.com:443"}
