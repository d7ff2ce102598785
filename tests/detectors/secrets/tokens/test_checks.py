from __future__ import annotations

import base64
import json
import zlib

import pytest

from callgate.detectors.base import Text
from callgate.detectors.secrets.detector import Secrets
from callgate.detectors.secrets.tokens import checks
from tests.detectors.secrets.tokens.sound import make

BODY = make("body<w30>")[4:]


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_github_and_npm_tokens_end_in_their_crc() -> None:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number, end = zlib.crc32(BODY.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        end = digits[rest] + end
    assert checks.ends_in_crc32_base62("ghp_" + BODY + end)
    assert not checks.ends_in_crc32_base62("ghp_" + BODY + end[::-1])


def test_grafana_token_ends_in_its_crc() -> None:
    token = "glsa_" + BODY
    assert checks.ends_in_crc32_hex(f"{token}_{zlib.crc32(token.encode()):08x}")
    assert not checks.ends_in_crc32_hex(f"{token}_00000000")


def test_token_whose_checksum_fits_is_certain() -> None:
    token = "glsa_" + make("glsa_<w32>")[5:]
    right, wrong = f"{token}_{zlib.crc32(token.encode()):08x}", f"{token}_00000000"
    assert [f.confidence for f in Secrets().inspect(Text(right, "$"))] == [1.0]
    assert [f.confidence for f in Secrets().inspect(Text(wrong, "$"))] == [0.95]


def test_bech32_is_checked_in_either_case() -> None:
    # the example of BIP 173
    assert checks.is_bech32("A12UEL5L")
    assert checks.is_bech32("an83characterlonghumanreadablepartthatcontainsthenumber1andthe"
                            "excludedcharactersbio1tt5tgs")  # fmt: skip
    assert not checks.is_bech32("A12UEL5M")
    assert not checks.is_bech32("a1bbbbbb")
    assert not checks.is_bech32("abc1")


@pytest.mark.parametrize("header", [{"alg": "HS256"}, {"enc": "A128GCM"}, {"typ": "JWT"}])
def test_header_of_a_jwt_is_an_object_that_says_what_it_is(header: object) -> None:
    assert checks.is_jose(packed(json.dumps(header)) + ".e30.x")


@pytest.mark.parametrize("header", ['{"a": 1}', "[1]", '{"alg": ', "é" * 8])
def test_other_text_is_no_header_of_a_jwt(header: str) -> None:
    assert not checks.is_jose(packed(header) + ".e30.x")


def test_basic_is_a_user_and_a_password() -> None:
    assert checks.is_basic(base64.b64encode(b"app:pw").decode())
    assert not checks.is_basic(base64.b64encode(b"app:").decode())
    assert not checks.is_basic(base64.b64encode(b"app").decode())
    assert not checks.is_basic("/w==")


def test_token_of_discord_begins_with_a_number() -> None:
    assert checks.is_discord(packed("123456789012345678") + ".a.b")
    assert not checks.is_discord(packed("12345678901234567x") + ".a.b")


def test_url_alphabet_is_unpacked_too() -> None:
    assert checks.unpacked(base64.urlsafe_b64encode("ÿÿ~~".encode()).decode()) == "ÿÿ~~"
    assert checks.unpacked("A") == ""


@pytest.mark.parametrize("value", ["a1", "Sk94HG7f6KB", "vzihlaquknriqlht"])
def test_value_of_more_than_words_is_mixed(value: str) -> None:
    assert checks.is_mixed(value)


@pytest.mark.parametrize("value", ["12345", "from-the-vault", ""])
def test_words_or_a_number_alone_are_not_mixed(value: str) -> None:
    assert not checks.is_mixed(value)


def test_password_is_told_from_a_path_a_word_and_a_number() -> None:
    assert checks.is_telling("hunter2")
    for value in ("./file1", "~/file1", "https://example.org/1", "word", "12345"):
        assert not checks.is_telling(value)


def test_name_of_a_value_is_not_a_literal() -> None:
    assert checks.is_literal("hX9!kd02Lq")
    for value in ("None,", "self.password,", "options[0])", "getenv"):
        assert not checks.is_literal(value)
