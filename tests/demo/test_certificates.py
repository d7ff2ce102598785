import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509

from callgate.demo.certificates import Certificates, make_certificates


def handshake(certificates: Certificates, host: str) -> None:
    """One TLS connection between two ends of a socket pair, with Python's strict checks."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates.cert, certificates.key)
    client = ssl.create_default_context(cafile=certificates.ca)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    left, right = socket.socketpair()

    def answer() -> None:
        try:
            server.wrap_socket(right, server_side=True).close()
        except OSError:
            right.close()  # the client refused the certificate

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        client.wrap_socket(left, server_hostname=host).close()
    finally:
        left.close()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "api.openai.com"])
def test_certificate_is_accepted_for_its_hosts(tmp_path: Path, host: str) -> None:
    handshake(make_certificates(tmp_path, [host]), host)


def test_certificate_is_refused_for_other_hosts(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path, ["localhost"])
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates, "example.com")


def test_key_is_private_even_when_a_readable_file_was_there(tmp_path: Path) -> None:
    (tmp_path / "key.pem").touch(mode=0o644)
    certificates = make_certificates(tmp_path, ["localhost"])
    assert certificates.key.stat().st_mode & 0o777 == 0o600


def test_new_folder_is_private_and_holds_no_ca_key(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "new", ["localhost"])
    assert certificates.ca.parent.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in certificates.ca.parent.iterdir()} == {
        "ca.pem",
        "cert.pem",
        "key.pem",
    }


def test_ca_can_sign_servers_only_directly(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path, ["localhost"])
    ca = x509.load_pem_x509_certificate(certificates.ca.read_bytes())
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_no_hosts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one host"):
        make_certificates(tmp_path, [])
