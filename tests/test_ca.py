"""The CA: private, one per machine, and accepted by what clients verify with."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from mitmproxy.certs import CertStore

from callgate import ca, certificates, roots
from callgate.errors import SettingsError

HOST = "my-resource.openai.azure.com"


@pytest.fixture(autouse=True)
def _usual_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in roots.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def certificate_of(authority: ca.Authority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.certificate.read_bytes())


def key_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def signed(key: ec.EllipticCurvePrivateKey, ends: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old")])
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=1))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


# -- files ----------------------------------------------------------------------------------


def test_everything_made_is_private_whatever_the_umask(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    before = os.umask(0)
    try:
        authority = ca.ensure(home)
    finally:
        os.umask(before)

    assert mode_of(home) == mode_of(authority.folder) == 0o700
    assert {path.name: mode_of(path) for path in authority.folder.iterdir()} == {
        "mitmproxy-ca.pem": 0o600,
        "callgate-ca.pem": 0o600,
        "bundle.pem": 0o600,
    }


def test_a_home_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    ca.ensure(tmp_path)

    assert mode_of(tmp_path) == 0o755
    assert mode_of(tmp_path / "ca") == 0o700


def test_a_key_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path)
    authority.key_file.chmod(0o644)
    authority.folder.chmod(0o755)

    ca.ensure(tmp_path)

    assert mode_of(authority.key_file) == 0o600
    assert mode_of(authority.folder) == 0o700


def test_certificate_and_bundle_hold_no_key(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path)

    assert b"PRIVATE KEY" in authority.key_file.read_bytes()
    assert b"PRIVATE KEY" not in authority.certificate.read_bytes()
    assert b"PRIVATE KEY" not in authority.bundle.read_bytes()


def test_the_ca_stays_the_same_until_a_new_one_is_made(tmp_path: Path) -> None:
    first = certificate_of(ca.ensure(tmp_path))

    assert certificate_of(ca.ensure(tmp_path)) == first
    assert certificate_of(ca.create(tmp_path)) != first
    assert certificate_of(ca.ensure(tmp_path)) != first


def test_processes_that_start_at_once_use_one_ca(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ca.ensure(tmp_path), range(16)))

    authority = ca.Authority(tmp_path / "ca")
    key_file = authority.key_file.read_bytes()
    assert authority.certificate.read_bytes() in key_file
    assert authority.certificate.read_bytes() in authority.bundle.read_bytes()
    assert len(list(authority.folder.iterdir())) == 3


def test_public_files_are_made_again_from_the_key_file(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path)
    before = authority.certificate.read_bytes()
    authority.certificate.write_bytes(b"something else")
    authority.bundle.unlink()

    ca.ensure(tmp_path)

    assert authority.certificate.read_bytes() == before
    assert before in authority.bundle.read_bytes()


# -- bundles --------------------------------------------------------------------------------


def test_the_bundle_holds_the_public_roots_and_the_ca(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path)

    public = set(roots.certificates(Path(certifi.where()).read_bytes()))
    assert set(roots.certificates(authority.bundle.read_bytes())) >= {
        *public,
        authority.certificate.read_bytes(),
    }
    assert ssl.create_default_context(cafile=str(authority.bundle)).get_ca_certs()


def test_the_bundle_keeps_the_roots_that_the_machine_was_set_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = tmp_path / "company.pem"
    trustme.CA().cert_pem.write_to_path(str(company))
    monkeypatch.setenv("SSL_CERT_FILE", str(company))

    bundle = ca.ensure(tmp_path / "home").bundle

    assert bundle.read_bytes().startswith(company.read_bytes().strip())
    assert bundle.read_bytes().count(b"BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("value", ["/no/such/file", "own bundle", ""])
def test_roots_that_can_not_be_meant_fall_back_to_the_public_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    authority = ca.ensure(tmp_path)
    before = authority.bundle.read_bytes()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle) if value == "own bundle" else value)

    assert ca.ensure(tmp_path).bundle.read_bytes() == before


def test_upstream_roots_are_the_public_ones_and_the_extra(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path)
    extra = tmp_path / "extra.pem"
    trustme.CA().cert_pem.write_to_path(str(extra))

    bundle = ca.upstream_bundle(authority, extra)

    assert ca.upstream_bundle(authority, None) == Path(certifi.where())
    assert extra.read_bytes().strip() in bundle.read_bytes()
    assert mode_of(bundle) == 0o600
    # what Callgate signs itself is nothing that an upstream may show
    assert authority.certificate.read_bytes() not in bundle.read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"not PEM", b"\xff\xfe"], ids=repr)
def test_an_upstream_ca_without_certificate_is_a_settings_error(
    tmp_path: Path, content: bytes | None
) -> None:
    extra = tmp_path / "extra.pem"
    if content is not None:
        extra.write_bytes(content)

    with pytest.raises(SettingsError, match=r"upstream_ca: .*extra\.pem"):
        ca.upstream_bundle(ca.ensure(tmp_path), extra)


# -- a CA that can not be used --------------------------------------------------------------


def test_an_expired_ca_is_refused_with_the_remedy(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    ended = datetime.now(UTC) - timedelta(hours=1)
    authority.key_file.write_bytes(key_pem(key) + signed(key, ended))

    with pytest.raises(SettingsError, match=r"expired.*callgate ca new --force"):
        ca.ensure(tmp_path)

    ca.create(tmp_path)
    ca.ensure(tmp_path)


def unusable_key_files() -> dict[str, bytes]:
    key, other = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    certificate = signed(key, datetime.now(UTC) + timedelta(days=1))
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    return {
        "empty": b"",
        "garbage": b"\x00\xffgarbage",
        "torn": (key_pem(key) + certificate)[:-200],
        "key alone": key_pem(key),
        "certificate alone": certificate,
        "another key": key_pem(other) + certificate,
        "encrypted key": locked + certificate,
    }


@pytest.mark.parametrize("name", unusable_key_files())
def test_a_key_file_that_can_not_be_used_is_refused_with_the_remedy(
    tmp_path: Path, name: str
) -> None:
    authority = ca.ensure(tmp_path)
    authority.key_file.write_bytes(unusable_key_files()[name])

    with pytest.raises(SettingsError, match=r"mitmproxy-ca\.pem.*callgate ca new --force"):
        ca.ensure(tmp_path)


@pytest.mark.parametrize("path", ["", "ca", "ca/mitmproxy-ca.pem"])
def test_a_folder_that_can_not_be_used_is_a_settings_error(tmp_path: Path, path: str) -> None:
    home = tmp_path / "home"
    blocked = home / path
    blocked.parent.mkdir(parents=True, exist_ok=True)
    if path.endswith(".pem"):
        blocked.mkdir()
    else:
        blocked.write_text("a file where a folder should be")

    with pytest.raises(SettingsError, match="can not use"):
        ca.ensure(home)


# -- what it signs --------------------------------------------------------------------------


def test_the_certificate_says_that_it_is_a_ca_of_hosts_only(tmp_path: Path) -> None:
    certificate = certificate_of(ca.ensure(tmp_path))
    limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)

    assert (limits.value.ca, limits.value.path_length, limits.critical) == (True, 0, True)
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert certificate.subject.rfc4514_string().startswith("CN=Callgate CA ")


@contextlib.contextmanager
def tls_server(store: CertStore, host: str, folder: Path) -> Iterator[int]:
    """A server with the leaf that mitmproxy makes for a host; yields its port."""
    entry = store.get_cert(host, [x509.DNSName(host)])
    chain, key = folder / "leaf.pem", folder / "leaf.key"
    chain.write_bytes(entry.cert.to_pem())
    key.write_bytes(
        entry.privatekey.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(connection, server_side=True) as secured,
            ):
                secured.sendall(b"hello")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(30)


@pytest.mark.parametrize("trusts", ["certificate", "bundle"])
def test_clients_verify_strictly_what_mitmproxy_signs_with_it(tmp_path: Path, trusts: str) -> None:
    authority = ca.ensure(tmp_path)
    store = CertStore.from_store(authority.folder, "mitmproxy", 2048)
    context = ssl.create_default_context(cafile=str(getattr(authority, trusts)))
    context.verify_flags |= ssl.VERIFY_X509_STRICT

    with (
        tls_server(store, HOST, tmp_path) as port,
        socket.create_connection(("127.0.0.1", port), 60) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secured,
    ):
        assert secured.recv(5) == b"hello"


def test_another_ca_of_the_same_name_is_not_trusted(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path / "one")
    store = CertStore.from_store(authority.folder, "mitmproxy", 2048)
    context = ssl.create_default_context(cafile=str(ca.ensure(tmp_path / "two").bundle))

    with (
        tls_server(store, HOST, tmp_path) as port,
        socket.create_connection(("127.0.0.1", port), 60) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname=HOST)


# -- limits and rotation --------------------------------------------------------------------


def limits_of(authority: ca.Authority) -> list[str] | None:
    return certificates.permitted(certificate_of(authority))


def leaf_is_accepted(signing: ca.Authority, trusting: bytes, host: str, folder: Path) -> bool:
    store = CertStore.from_store(signing.folder, "mitmproxy", 2048)
    context = ssl.create_default_context(cadata=trusting.decode())
    with (
        tls_server(store, host, folder) as port,
        socket.create_connection(("127.0.0.1", port), 60) as plain,
    ):
        try:
            context.wrap_socket(plain, server_hostname=host).close()
        except ssl.SSLCertVerificationError:
            return False
    return True


def test_new_host_widens_the_limits_and_nobody_loses_trust(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path, ["api.openai.com"])
    trusted = authority.certificate.read_bytes()

    ca.ensure(tmp_path, ["llm.internal"])

    assert limits_of(authority) == [
        "api.openai.com",
        "localhost",
        "127.0.0.0/8",
        "::1/128",
        "llm.internal",
    ]
    assert leaf_is_accepted(authority, trusted, "api.openai.com", tmp_path)
    assert not leaf_is_accepted(authority, trusted, "llm.internal", tmp_path)
    now = authority.certificate.read_bytes()
    assert leaf_is_accepted(authority, now, "llm.internal", tmp_path)
    assert authority.bundle.read_bytes().endswith(now)
    assert trusted not in authority.bundle.read_bytes()


def test_hosts_that_are_covered_change_nothing(tmp_path: Path) -> None:
    before = ca.ensure(tmp_path, ["*.openai.azure.com", "api.openai.com"]).key_file.read_bytes()

    ca.ensure(tmp_path, ["me.openai.azure.com:443", "127.0.0.1:9"])
    ca.ensure(tmp_path)

    assert ca.Authority(tmp_path / "ca").key_file.read_bytes() == before


def test_ca_without_limits_from_before_stays_as_it_is(tmp_path: Path) -> None:
    before = ca.ensure(tmp_path).key_file.read_bytes()

    assert limits_of(ca.ensure(tmp_path, ["api.openai.com"])) is None
    assert ca.Authority(tmp_path / "ca").key_file.read_bytes() == before


def test_processes_that_need_different_hosts_all_get_theirs(tmp_path: Path) -> None:
    hosts = [f"h{number}.internal" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda host: ca.ensure(tmp_path, [host]), hosts))

    assert set(hosts) <= set(limits_of(ca.Authority(tmp_path / "ca")) or ())


def test_rotation_cuts_no_client_off(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path / "home")
    old = tmp_path / "old"
    shutil.copytree(authority.folder, old)  # a proxy that was started before the switch

    ca.prepare(tmp_path / "home")
    told = authority.bundle.read_bytes()
    assert leaf_is_accepted(authority, told, HOST, tmp_path)
    assert ca.Authority(old).key_file.read_bytes() == authority.key_file.read_bytes()
    ca.switch(tmp_path / "home")

    assert ca.Authority(old).key_file.read_bytes() != authority.key_file.read_bytes()
    assert leaf_is_accepted(authority, told, HOST, tmp_path)
    later = ca.ensure(tmp_path / "home").bundle.read_bytes()
    assert leaf_is_accepted(authority, later, HOST, tmp_path)
    assert leaf_is_accepted(ca.Authority(old), later, HOST, tmp_path)
    assert b"PRIVATE KEY" not in authority.previous.read_bytes()


def test_previous_ca_is_no_longer_trusted_when_the_overlap_is_over(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path)
    ca.prepare(tmp_path)
    ca.switch(tmp_path)
    previous = authority.previous.read_bytes()
    assert previous in authority.bundle.read_bytes()
    past = (datetime.now(UTC) - timedelta(days=31)).timestamp()
    os.utime(authority.previous, (past, past))

    assert previous not in ca.ensure(tmp_path).bundle.read_bytes()


def test_a_new_ca_by_force_ends_every_older_trust(tmp_path: Path) -> None:
    authority = ca.ensure(tmp_path)
    ca.prepare(tmp_path)

    ca.create(tmp_path)

    assert authority.certificate.read_bytes().count(b"BEGIN CERTIFICATE") == 1
    with pytest.raises(SettingsError, match="no CA is prepared"):
        ca.switch(tmp_path)
