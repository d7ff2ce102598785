from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from openai import OpenAI
from starlette.applications import Starlette

from callgate.demo.certificates import Certificates, make_certificates
from callgate.demo.launch import serve

type Connect = Callable[[Starlette], OpenAI]


class Clock:
    """A server's clock that is told the time."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), ["127.0.0.1", "localhost"])


@pytest.fixture
def trust(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Environment of an app that trusts the private CA and uses no proxy."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    return certificates.ca


@pytest.fixture
def connect(certificates: Certificates, trust: Path) -> Iterator[Connect]:
    """Serve an app over TLS and return a plain SDK client for it."""
    with ExitStack() as stack:

        def connect(app: Starlette) -> OpenAI:
            url = stack.enter_context(serve(app, certificates))
            return stack.enter_context(OpenAI(base_url=f"{url}/v1", api_key="any"))

        yield connect
