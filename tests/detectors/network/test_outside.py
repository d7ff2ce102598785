from __future__ import annotations

import pytest

from callgate.detectors.network.outside import Own, Standing, is_bait, poses


@pytest.mark.parametrize(
    ("host", "path", "standing"),
    [
        ("corp.example", "", Standing.OWN),
        ("a.corp.example", "", Standing.OWN),
        ("10.0.0.1", "", Standing.INSIDE),
        ("a.internal", "", Standing.INSIDE),
        ("web1", "", Standing.UNKNOWN),
        ("", "", Standing.UNKNOWN),
        ("$HOST.example", "", Standing.UNKNOWN),
        ("example.org", "", Standing.OUTSIDE),
        ("notcorp.example", "", Standing.OUTSIDE),
        ("203.0.113.5", "", Standing.BARE_ADDRESS),
        ("[2606:4700::1]", "", Standing.BARE_ADDRESS),
        ("webhook.site", "", Standing.DROP),
        ("ABC.ngrok-free.app.", "", Standing.DROP),
        ("notwebhook.site", "", Standing.OUTSIDE),
        ("discord.com", "/api/webhooks/1/x", Standing.DROP),
        ("discord.com", "/channels", Standing.OUTSIDE),
        ("example.org", "/api/webhooks/1", Standing.OUTSIDE),
        ("hooks.slack.com.example.org", "", Standing.DROP),
    ],
)
def test_standing_of_a_destination(host: str, path: str, standing: Standing) -> None:
    assert Own(["corp.example", "*.corp.example"]).standing(host, path) is standing


def test_nothing_is_the_operators_own_without_a_list() -> None:
    own = Own([])

    assert not own.is_known
    assert not own.holds("corp.example")


def test_pattern_with_a_port_holds_at_that_port() -> None:
    own = Own(["corp.example:8443"])

    assert own.holds("corp.example", 8443)
    assert not own.holds("corp.example")


def test_wrong_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match=r"corp\.example"):
        Own(["https://corp.example/"])


def test_strangers_are_recipients_outside() -> None:
    text = "Al <al@corp.example>, bo@example.org"

    found = [text[start:end] for start, end in Own(["corp.example"]).strangers(text)]

    assert found == ["bo@example.org"]
    assert list(Own(["corp.example"]).strangers("nobody")) == []


def test_bait_is_told_from_other_drops() -> None:
    assert is_bait("x.oastify.com")
    assert is_bait("oast.fun")
    assert not is_bait("webhook.site")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("hooks.slack.com.evil.example", True),
        ("google.com.example", True),
        ("google.com.au", False),
        ("google.com", False),
        ("a.google.com", False),
        ("slack.com.s3.amazonaws.com", False),
        ("com.example", False),
    ],
)
def test_host_that_poses_as_another_is_told(host: str, expected: bool) -> None:
    assert poses(host) is expected
