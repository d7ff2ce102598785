"""Fixtures only: gates, upstreams and clients in processes of their own."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.e2e.clients import Client
from tests.e2e.gate import StartGate, running_gates
from tests.e2e.origin import Origin
from tests.e2e.servers import (
    Server,
    aimock,
    aimock_in_tls,
    demo,
    demo_over_http2,
    litellm,
    llamphouse,
    ogx,
)

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def upstream_ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def upstream_ca_file(upstream_ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upstream") / "ca.pem"
    upstream_ca.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
def server_context(upstream_ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    upstream_ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def origin(server_context: ssl.SSLContext) -> Iterator[Origin]:
    with Origin(server_context) as running:
        yield running


@pytest.fixture
def start_gate(tmp_path: Path, upstream_ca_file: Path) -> Iterator[StartGate]:
    """Start gates that end with the test."""
    with running_gates(tmp_path, upstream_ca_file) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_gate(
    tmp_path_factory: pytest.TempPathFactory, upstream_ca_file: Path
) -> Iterator[StartGate]:
    """Start gates that end with the module."""
    with running_gates(tmp_path_factory.mktemp("gates"), upstream_ca_file) as start:
        yield start


@pytest.fixture(scope="session")
def demo_server(server_context: ssl.SSLContext, upstream_ca_file: Path) -> Iterator[Server]:
    with demo(server_context, upstream_ca_file) as server:
        yield server


@pytest.fixture(scope="session")
def http2_server(upstream_ca: trustme.CA, upstream_ca_file: Path) -> Iterator[Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["h2"])
    upstream_ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with demo_over_http2(context, upstream_ca_file) as server:
        yield server


@pytest.fixture(scope="session")
def llamphouse_server(server_context: ssl.SSLContext) -> Iterator[Server]:
    with llamphouse(server_context, python_with("llamphouse")) as server:
        yield server


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    """A model without TLS, for servers that need one behind them."""
    with aimock(environment_of("aimock")) as url:
        yield url


@pytest.fixture(scope="session")
def aimock_server(server_context: ssl.SSLContext, model_url: str) -> Iterator[Server]:
    with aimock_in_tls(server_context, model_url) as server:
        yield server


@pytest.fixture(scope="session")
def ogx_server(
    server_context: ssl.SSLContext, model_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ogx")
    with ogx(server_context, python_with("ogx"), model_url, folder) as server:
        yield server


@pytest.fixture(scope="session")
def litellm_server(
    server_context: ssl.SSLContext, model_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("litellm")
    with litellm(server_context, python_with("litellm"), model_url, folder) as server:
        yield server


@pytest.fixture(scope="session")
def client_for() -> Callable[[str], Client]:
    """The app under the wanted major version of openai: `"1"`, `"2"` or `"3"`."""

    def client(version: str) -> Client:
        return Client(python_with("openai", version))

    return client


def python_with(package: str, version: str = "") -> Path:
    """The interpreter of an environment that holds somebody else's package."""
    if (package, version) == ("openai", "3"):
        return Path(sys.executable)
    name = f"{package}-{version}" if version else package
    return environment_of(name) / "bin" / "python"


def environment_of(name: str) -> Path:
    """The folder that `scripts/setup-clients` makes for the name."""
    done = subprocess.run(
        ["scripts/setup-clients", name], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return ROOT / ".venvs" / name
