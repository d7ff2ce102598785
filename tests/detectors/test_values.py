from __future__ import annotations

import pytest

from callgate.detectors import values


def test_entropy_is_in_bits_per_character() -> None:
    assert values.entropy("aaaa") == 0
    assert values.entropy("abcd") == 2


@pytest.mark.parametrize(
    "value",
    [
        "xxxx",
        "****",
        "<your-key>",
        "your_api_key",
        "changeme",
        "change-me",
        "REDACTED",
        "None",
        "...",
    ],
)
def test_value_that_stands_for_another_is_a_placeholder(value: str) -> None:
    assert values.is_placeholder(value)


@pytest.mark.parametrize("value", ["password", "my_secret", "API_KEY", "varchar", "abxxxxxx"])
def test_word_that_nobody_wrote_as_a_value_is_stock(value: str) -> None:
    assert values.is_stock(value)
    assert not values.is_stock(value.replace("xxxx", "x") + "-q8Z!")


@pytest.mark.parametrize(
    "value",
    [
        "$TOKEN",
        "${TOKEN}",
        "{{ token }}",
        "get_token(",
        "os.environ['TOKEN']",
        "settings.secret.key",
        "DB_PASSWORD_PROD",
        "getSecretValue",
        "https://example.org/a",
        "./secrets/key",
        "vault:secret/app",
    ],
)
def test_name_of_a_value_elsewhere_is_a_reference(value: str) -> None:
    assert values.is_reference(value)


@pytest.mark.parametrize(
    "value", ["super$ecret", "s.Z4bTMtngfLeQ18AqVoBB", "hX9!kd02Lq", "qzx-vbk"]
)
def test_value_itself_is_no_reference(value: str) -> None:
    assert not values.is_reference(value)
    assert not values.is_placeholder(value)


def test_uuid_is_told_by_its_dashes() -> None:
    assert values.is_uuid("ff5c1bc4-d47b-55ce-4681-5e3d0b07e0a5")
    assert values.is_uuid("FF5C1BC4-D47B-55CE-4681-5E3D0B07E0A5")
    assert not values.is_uuid("ff5c1bc4d47b55ce46815e3d0b07e0a5")
    assert not values.is_uuid("ff5c1bc4-d47b-55ce-4681-5e3d0b07e0a")


def test_classes_of_characters_are_counted() -> None:
    assert [values.classes(v) for v in ("abc", "aB", "aB1", "aB1!", "")] == [1, 2, 3, 4, 0]


def test_words_are_wordier_than_chance() -> None:
    assert values.wordiness("theSecretName") > 0.8
    assert values.wordiness("qzxvbkwjq") < 0.2
    assert values.wordiness("12-34") == 0
    assert values.wordiness("name1234567890") < 0.5


@pytest.mark.parametrize(
    "value",
    [
        "aB3dE6gH9jK2mN5pQ8sT",
        "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        "vzihlaquknriqlht",
        "k9Fh-2LmQ_8xYz7Wb3Rt",
        "qZkTbVxWnRpLmKjHgFdS",
    ],
)
def test_what_a_machine_made_is_random(value: str) -> None:
    assert values.is_random(value)


@pytest.mark.parametrize(
    "value",
    [
        "aB3dE6gH9",
        "internationalization",
        "my-service-account-name",
        "1234567890123456",
        "0000000000000000000000aa",
        "src/callgate/detectors.py",
        "docs/guides/2024/setup",
        "production-database-v2",
        "an ordinary sentence of words",
        "UserAuthenticationServiceImpl",
    ],
)
def test_words_numbers_and_paths_are_not_random(value: str) -> None:
    assert not values.is_random(value)


def test_least_length_is_the_callers() -> None:
    assert values.is_random("Sk94HG7f6KB", 10)
    assert not values.is_random("Sk94HG7f6KB", 12)


def test_placeholder_is_blotted_out_at_the_same_length() -> None:
    text = "a [REDACTED:PHONE] b [REDACTED:x] [REDACTED:"
    assert values.without_placeholders(text) == "a [**************] b [REDACTED:x] [REDACTED:"
    assert values.without_placeholders("PHONE") == "PHONE"
