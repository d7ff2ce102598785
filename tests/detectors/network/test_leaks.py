from __future__ import annotations

import base64

import pytest

from callgate.detectors.network.leaks import hidden_data
from callgate.detectors.network.urls import whole

DATA = b"email=bob@corp.example;card=4111111111111111"


def hides(text: str) -> bool:
    url = whole(text)
    assert url is not None
    return bool(hidden_data(url))


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/p.png?d=" + base64.b64encode(DATA).decode(),
        "https://a.example/p.png?d=" + base64.b64encode(DATA).decode().replace("=", "%3D"),
        "https://a.example/" + base64.urlsafe_b64encode(DATA).decode(),
        "https://a.example/?d=" + DATA.hex(),
        "https://a.example/x/" + DATA.hex(),
        "https://a.example/?d=" + base64.b32encode(DATA).decode().lower(),
        "https://" + base64.b32encode(DATA)[:60].decode().lower() + ".a.example/",
        "https://" + DATA.hex()[:40] + "." + DATA.hex()[40:] + ".a.example/",
        "https://1." + DATA.hex()[:60] + ".a.example/",
        "https://a.example/?q=AKIA" + "ABCDEFGHIJKLMNOP",
        "https://a.example/?q=078-05-" + "1120",
        "https://a.example/?q=078%2D05%252D" + "1120",
    ],
)
def test_data_within_a_url_is_found(text: str) -> None:
    assert hides(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/",
        "https://a.example/?q=a+question+about+nothing+of+importance",
        "https://a.example/?cursor=" + base64.b64encode(b'{"id": 123456, "page": 7}').decode(),
        "https://a.example/?token=AKIA" + "ABCDEFGHIJKLMNOP",
        "https://a.example/?sig=" + "0123456789abcdef" * 4,
        "https://a.example/commit/" + "0123456789abcdef0123" * 2,
        "https://a.example/articles/howtowritealongtitleinonewordonly",
        "https://a1b2c3d4e5f60718293a4b5c6d7e8f90.cdn.a.example/",
        "https://a-very-long-label-in-a-host-name.a.example/",
        "https://a.example/?v=ABCDEFGHIJKLMNOPQRSTUVWXYZ2345",
        "https://a.example/?v=A2345672345672345672345671",
    ],
)
def test_cursors_tokens_and_identifiers_are_no_data(text: str) -> None:
    assert not hides(text)
