from __future__ import annotations

import pytest

from callgate.detectors.secrets.assignments import guesses, is_password, is_telling, judge
from tests.detectors.secrets.tokens.sound import make

RANDOM = make("k<w24>")[1:]
HEX = make("h<h32>")[1:]
ACTS = 0.5


def acting(text: str) -> list[str]:
    return [text[g.start : g.end] for g in guesses(text) if g.confidence >= ACTS]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password = 'hX9!kd02Lq'", "hX9!kd02Lq"),
        ('"password": "whiteduke"', "whiteduke"),
        ('\\"password\\": \\"hX9!kd02Lq\\"', "hX9!kd02Lq"),
        ("password => 'hX9!kd02Lq',", "hX9!kd02Lq"),
        ("password := `hX9!kd02Lq`", "hX9!kd02Lq"),
        ("if password == 'logmein':", "logmein"),
        ("password = '`123QWERasdf'", "`123QWERasdf"),
        ("password = 'open sesame'", "open sesame"),
        ("the password is hX9!kd02Lq.", "hX9!kd02Lq"),
        ("The default password for user 'app' is 'blooberry'", "blooberry"),
        ("the password is set to 'blooberry'", "blooberry"),
        ("    password 'whiteduke'\n", "whiteduke"),
        ("APP_AUTH_PASS=whiteduke", "whiteduke"),
        ("export APP_PASSWORD=whiteduke  # of the demo", "whiteduke"),
        ("a: 1\n  db-password: whiteduke\nb: 2", "whiteduke"),
        ("tool --password hX9kd02Lq --now", "hX9kd02Lq"),
        ("https://example.org/?user=a&password=hX9kd02Lq&b=1", "hX9kd02Lq"),
        (f"api_key: {RANDOM}", RANDOM),
        (f"'API_KEY', '\"{HEX}\"'", HEX),
        (f"API key is {RANDOM}", RANDOM),
        (f"Api-Token: {RANDOM[:10]}7", RANDOM[:10] + "7"),
        (f'config.facebook.key = "{HEX}"', HEX),
        (f"STAFF_KEY={HEX}", HEX),
        ("token: ff5c1bc4-d47b-55ce-4681-5e3d0b07e0a5", "ff5c1bc4-d47b-55ce-4681-5e3d0b07e0a5"),
        ('secret: "development#product"', "development#product"),
        ('jwtsecret: "7`D\'}/vYR)T;W_8"', "7`D'}/vYR)T;W_8"),
    ],
)
def test_value_beside_a_telling_word_is_found_whole(text: str, value: str) -> None:
    assert acting(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "password: ${DB_PASSWORD}",
        "password = get_password(user)",
        "password = user.password",
        "self.password = password",
        'password = "Password"',
        'password: "Passwort"',
        'password: "Enter your password"',
        "password: 'must not be empty'",
        "The password policy requires 12 characters.",
        "PasswordAuthentication no",
        "password = whiteduke",
        "login(password=whiteduke, user=a)",
        "password='unclosed",
        "password=",
        "passwd: a",
        "pwd: /home/app/1",
        "--ask-become-pass --module-name ping2",
        'secretName: "db-creds-1x2y3z4w5v6u7t8s"',
        "next_page_token: " + RANDOM,
        "public_key: " + RANDOM,
        "cache-key = '" + HEX + "'",
        "key: " + HEX,
        "row.key = '" + "ff5c1bc4-d47b-55ce-4681-5e3d0b07e0a5'",
        "STAFF_KEY of " + HEX,
        "max_tokens: 4096",
        "token: 'a long sentence of words'",
        "tokens, " + RANDOM,
        "'ASPasswordProvider', 'ASPasswordRequestIdentity'",
        "secret => arn:aws:secretsmanager:us-east-1:1:secret:" + RANDOM,
        "arn:aws:secretsmanager:us-east-1:1:secret:" + RANDOM,
        "The key to success is practice",
        "monkey: " + RANDOM,
        "api_key: YOUR_API_KEY",
        "secret: 'MyVaultSecretName'",
        "commit " + HEX,
        "sha256:" + HEX + HEX,
        "data:image/png;base64," + RANDOM * 4,
        "",
    ],
)
def test_placeholder_reference_label_or_other_thing_is_not_found(text: str) -> None:
    assert acting(text) == []


def test_plain_word_in_prose_is_for_information_at_most() -> None:
    assert [g.confidence < ACTS for g in guesses("my password: swordfish, thanks")] == [True]
    assert [g.confidence < ACTS for g in guesses("secret = 'abcdefghi'")] == [True]


def test_passwords_are_told_from_other_credentials() -> None:
    (guess,) = guesses("db_password=hX9kd02Lq")
    assert guess.is_password
    (guess,) = guesses(f"db_token={RANDOM}")
    assert not guess.is_password
    assert is_password("db_pass")
    assert not is_password("passage")
    assert is_telling("clientSecret")
    assert not is_telling("title")


def test_value_is_judged_by_its_key() -> None:
    assert judge("password", "hX9!kd02Lq") >= ACTS
    assert judge("token", "hX9!kd0") < ACTS
    assert judge("token", RANDOM) >= ACTS
    assert judge("staff_key", RANDOM) == 0
    assert judge("staff_key", RANDOM, '"') >= ACTS
    assert judge("token_count", RANDOM) == 0


def test_very_long_value_is_taken_up_to_a_limit() -> None:
    assert acting("api_key = '" + RANDOM * 40 + "'") == []
