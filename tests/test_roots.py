"""The roots that a client keeps when Callgate's CA joins them."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest
import trustme

from callgate import roots

PUBLIC = len(roots.certificates(Path(certifi.where()).read_bytes()))
BROKEN = b"-----BEGIN CERTIFICATE-----\nTm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("roots")
    files = {name: folder / f"{name}.pem" for name in ("one", "two", "system")}
    for path in files.values():
        trustme.CA().cert_pem.write_to_path(str(path))
    return files


def count(pem: bytes) -> int:
    return len(roots.certificates(pem))


def test_public_and_system_roots_are_there_each_once(
    tmp_path: Path, company: dict[str, Path]
) -> None:
    own = tmp_path / "bundle.pem"

    assert count(roots.merged({}, own, [])) == PUBLIC
    assert count(roots.merged({}, own, [tmp_path / "none", company["system"]])) == PUBLIC + 1
    assert count(roots.merged({}, own, [Path(certifi.where())])) == PUBLIC


@pytest.mark.parametrize("name", [name for name in roots.VARIABLES if name != "SSL_CERT_FILE"])
def test_what_a_variable_names_joins_the_public_roots(
    tmp_path: Path, company: dict[str, Path], name: str
) -> None:
    pem = roots.merged({name: str(company["one"])}, tmp_path / "own", [])

    assert count(pem) == PUBLIC + 1
    assert roots.certificates(company["one"].read_bytes())[0] in pem


def test_ssl_cert_file_stands_for_the_public_roots(
    tmp_path: Path, company: dict[str, Path]
) -> None:
    environ = {
        "SSL_CERT_FILE": str(company["one"]),
        "REQUESTS_CA_BUNDLE": str(company["two"]),
        "CURL_CA_BUNDLE": str(company["one"]),
    }

    assert count(roots.merged(environ, tmp_path / "own", [company["system"]])) == 2


@pytest.mark.parametrize("content", [None, b"", b"nothing", b"\xff\xfe", BROKEN], ids=repr)
def test_a_file_without_certificate_counts_as_not_named(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "roots.pem"
    if content is not None:
        path.write_bytes(content)
    named = dict.fromkeys(roots.VARIABLES, str(path))

    assert count(roots.merged(named, tmp_path / "own", [path])) == PUBLIC


def test_the_file_that_is_about_to_be_written_is_not_read(
    tmp_path: Path, company: dict[str, Path]
) -> None:
    (tmp_path / "link").symlink_to(company["one"])

    pem = roots.merged({"SSL_CERT_FILE": str(tmp_path / "link")}, company["one"], [])

    assert count(pem) == PUBLIC


def test_text_between_certificates_and_line_ends_do_not_matter(company: dict[str, Path]) -> None:
    pem = company["one"].read_bytes()
    spoiled = b"# Company\n" + pem.replace(b"\n", b"\r\n") + b"trailing"

    assert roots.certificates(spoiled) == roots.certificates(pem)
    with pytest.raises(ValueError, match="PEM"):
        roots.certificates(b"nothing")
