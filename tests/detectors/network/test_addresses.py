from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.detectors.network.addresses import (
    INTERNAL_NAME,
    LINK_LOCAL,
    LOOPBACK,
    MAX_HOST,
    METADATA,
    PRIVATE,
    REBINDING_NAME,
    RESERVED,
    fold,
    inside,
    is_address,
)

PRIVATE_NETWORKS = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "100.64.0.0/10",
            "0.0.0.0/8",
        ),
    )
)


def kind(host: str) -> str | None:
    found = inside(host)
    return found.kind if found else None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("169.254.169.254", METADATA),
        ("100.100.100.200", METADATA),
        ("168.63.129.16", METADATA),
        ("192.0.0.192", METADATA),
        ("[fd00:ec2::254]", METADATA),
        ("metadata.google.internal", METADATA),
        ("METADATA.Google.Internal.", METADATA),
        ("metadata", METADATA),
        ("127.0.0.1", LOOPBACK),
        ("0.0.0.0", LOOPBACK),
        ("::1", LOOPBACK),
        ("[::]", LOOPBACK),
        ("localhost", LOOPBACK),
        ("app.localhost", LOOPBACK),
        ("ip6-loopback", LOOPBACK),
        ("10.1.2.3", PRIVATE),
        ("172.31.255.255", PRIVATE),
        ("192.168.0.1", PRIVATE),
        ("100.64.0.1", PRIVATE),
        ("fd12:3456::1", PRIVATE),
        ("fec0::1", PRIVATE),
        ("169.254.1.1", LINK_LOCAL),
        ("fe80::1%eth0", LINK_LOCAL),
        ("[fe80::1%25eth0]", LINK_LOCAL),
        ("224.0.0.1", RESERVED),
        ("255.255.255.255", RESERVED),
        ("198.18.0.1", RESERVED),
        ("ff02::1", RESERVED),
        ("vault.internal", INTERNAL_NAME),
        ("db.prod.svc.cluster.local", INTERNAL_NAME),
        ("kubernetes.default", INTERNAL_NAME),
        ("localtest.me", REBINDING_NAME),
        ("a.b.lvh.me", REBINDING_NAME),
        ("7f000001.c0a80001.rbndr.us", REBINDING_NAME),
        ("10.0.0.1.nip.io", REBINDING_NAME),
        ("www.1.10.0.0.1.nip.io", REBINDING_NAME),
        ("x-192-168-1-1-y.sslip.io", REBINDING_NAME),
        ("0a000001.nip.io", REBINDING_NAME),
        ("--1.sslip.io", REBINDING_NAME),
        ("fd12--1.sslip.io", REBINDING_NAME),
        ("--ffff-10-0-0-1.sslip.io", REBINDING_NAME),
        ("169.254.169.254.nip.io", METADATA),
        ("127.0.0.1.rebind.example", REBINDING_NAME),
    ],
)
def test_inside_host_is_told_by_kind(host: str, expected: str) -> None:
    assert kind(host) == expected


@pytest.mark.parametrize(
    "host",
    [
        "2852039166",
        "7147006462",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "0xA9.0xFE.0xA9.0xFE",
        "169.254.43518",
        "169.16689662",
        "0x0000000000000000000000000000000000000a9.254.0xa9fe",
        "425.510.425.510",
        "[::ffff:169.254.169.254]",
        "::ffff:a9fe:a9fe",
        "[::ffff:0:a9fe:a9fe]",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:1:2:3:4:5601:5601",
        "2606:4700::5efe:a9fe:a9fe",
        "１６９。２５４．169｡254",
        "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
        "169.254\u200b.169.254",
        "%31%36%39.254.169.254",
        "%2531%2536%2539.254.169.254",
    ],
)
def test_disguised_metadata_address_is_found_and_said_to_be_disguised(host: str) -> None:
    found = inside(host)

    assert found is not None
    assert (found.kind, found.is_disguised) == (METADATA, True)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::1]", "10.0.0.1.", "LOCALHOST", "a.internal"]
)
def test_plain_spelling_is_not_said_to_be_disguised(host: str) -> None:
    found = inside(host)

    assert found is not None
    assert not found.is_disguised


def test_octal_numbers_count_in_both_readings() -> None:
    assert kind("0177.0.0.1") == LOOPBACK
    assert kind("010.0.0.1") == PRIVATE
    assert kind("012.0.0.1") == PRIVATE
    assert kind("08.8.8.8") is None
    assert kind("0300.0.0.0400") is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "example.com",
        "10.example.com",
        "192-168-1-1.example.com",
        "internal.example.com",
        "internal",
        "mylocalhost",
        "localhost.run",
        "nip.io",
        "8.8.8.8.nip.io",
        "999.1.1.1.nip.io",
        "08080808.nip.io",
        "2606-4700--1111.sslip.io",
        "1.0.0.127.in-addr.arpa",
        "127.0.0.1.in-addr.arpa",
        "172.32.0.1",
        "11.0.0.1",
        "203.0.113.5",
        "2606:4700::1111",
        "2002:808:808::",
        "2001:db8::1",
        "1:2:3",
        "1.2.3.4.5",
        "1..2",
        "256.1.1.1",
        "1.2.3.256",
        "0x.g",
        "a" * MAX_HOST + ".internal",
    ],
)
def test_public_host_or_no_host_is_not_inside(host: str) -> None:
    assert kind(host) is None


def test_address_is_told_from_name() -> None:
    assert all(map(is_address, ("127.1", "2130706433", "::1", "[::1]", "8.8.8.8")))
    assert not any(map(is_address, ("example.com", "a:b", "", "1.2.3.4.5")))


def test_folding_undoes_widths_escapes_and_case() -> None:
    assert fold("ＥＸＡＭＰＬＥ。com%2e\u00ad") == "example.com."


def spelled(number: int, parts: int, forms: list[str]) -> str:
    """Write an address in up to four numbers, each in a form of its own."""
    sizes = [1] * (parts - 1) + [5 - parts]
    raw = number.to_bytes(4)
    values = []
    for size in sizes:
        values.append(int.from_bytes(raw[:size]))
        raw = raw[size:]
    return ".".join(form.format(value) for form, value in zip(forms, values, strict=False))


FORMS = st.lists(
    st.sampled_from(["{:d}", "0x{:x}", "0X{:X}", "0x00{:x}", "0{:o}", "000{:o}"]),
    min_size=4,
    max_size=4,
)


@given(
    network=st.sampled_from(PRIVATE_NETWORKS), data=st.data(), parts=st.integers(1, 4), forms=FORMS
)
def test_every_spelling_of_a_private_address_is_found(
    network: ipaddress.IPv4Network, data: st.DataObject, parts: int, forms: list[str]
) -> None:
    offset = data.draw(st.integers(0, network.num_addresses - 1))
    number = int(network.network_address) + offset
    host = spelled(number, parts, forms)
    assert socket.inet_aton(host) == number.to_bytes(4)

    assert inside(host) is not None


@given(
    number=st.integers(0, 2**32 - 1).filter(
        lambda n: (
            ipaddress.IPv4Address(n).is_global
            and not ipaddress.IPv4Address(n).is_multicast
            and ipaddress.IPv4Address(n) != ipaddress.IPv4Address("168.63.129.16")
        )
    ),
    parts=st.integers(1, 4),
    forms=FORMS,
)
def test_no_spelling_of_a_public_address_is_found(
    number: int, parts: int, forms: list[str]
) -> None:
    if parts == 4:  # four numbers with leading zeros may be read as decimal ones
        forms = [form if "o" not in form else "{:d}" for form in forms]

    assert inside(spelled(number, parts, forms)) is None


@given(number=st.integers(0, 2**128 - 1))
def test_spelling_of_an_ipv6_address_makes_no_difference(number: int) -> None:
    address = ipaddress.IPv6Address(number)

    assert inside(str(address)) == inside(f"[{address.exploded.upper()}]".lower())
