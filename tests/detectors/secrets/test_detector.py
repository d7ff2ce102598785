from __future__ import annotations

import pytest

from callgate.detectors.base import Text
from callgate.detectors.secrets.detector import Secrets
from callgate.detectors.secrets.tokens import TOKENS as TOKEN_TABLE
from callgate.model import Reason

# Put together here, so that nothing in the file looks like a credential to other scanners.
LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6kL9n"
HEX = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
TOKENS = {
    "OPENAI_KEY": "sk-" + "proj-" + LETTERS,
    "ANTHROPIC_KEY": "sk-" + "ant-api03-" + LETTERS,
    "AWS_ACCESS_KEY": "AKIA" + "Q3EGRIGSAR4C7XYZ",
    "GITHUB_TOKEN": "ghp" + "_" + LETTERS[:36],
    "GITLAB_TOKEN": "glpat" + "-" + LETTERS[:20],
    "SLACK_TOKEN": "xoxb" + "-123456789012-" + LETTERS[:24],
    "STRIPE_KEY": "sk" + "_live_" + LETTERS[:24],
    "GOOGLE_API_KEY": "AIza" + LETTERS[:35],
    "NPM_TOKEN": "npm" + "_" + LETTERS[:36],
    "PYPI_TOKEN": "pypi" + "-AgE" + LETTERS + LETTERS,
    "SENDGRID_KEY": "SG." + LETTERS[:22] + "." + LETTERS + "abc",
    "TWILIO_KEY": "SK" + HEX,
    "SHOPIFY_TOKEN": "shpat" + "_" + HEX,
    "DIGITALOCEAN_TOKEN": "dop" + "_v1_" + HEX + HEX,
    "DISCORD_TOKEN": "M" + LETTERS[:23] + "." + LETTERS[:6] + "." + LETTERS[:27],
    "TELEGRAM_TOKEN": "123456789" + ":AA" + LETTERS[:33],
    "HUGGINGFACE_TOKEN": "hf" + "_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "JWT": "eyJ" + "hbGciOiJIUzI1NiJ9." + "eyJ" + "zdWIiOiIxMjM0NTYifQ." + LETTERS,
    "MAILCHIMP_KEY": HEX + "-us12",
}


def kinds(value: str, field: str = "text") -> list[str]:
    return [f.kind for f in Secrets().inspect(Text(value, "$.x", "send_message", field))]


@pytest.mark.parametrize(("kind", "token"), TOKENS.items(), ids=list(TOKENS))
def test_token_in_prose_is_found_with_exact_span(kind: str, token: str) -> None:
    text = f"here is the credential: {token} thanks"
    (finding,) = Secrets().inspect(Text(text, "$.x", "send_message", "text"))
    assert finding.kind == kind
    assert finding.reason == Reason.SECRET_DETECTED
    assert text[finding.start : finding.end].strip() == token


@pytest.mark.parametrize("token", TOKENS.values(), ids=list(TOKENS))
def test_explanation_holds_no_raw_value(token: str) -> None:
    (finding,) = Secrets().inspect(Text(token, "$.x"))
    assert token[4:20] not in finding.explanation


def test_private_key_is_covered_from_begin_to_end() -> None:
    begin, end = "-----BEGIN RSA " + "PRIVATE KEY-----", "-----END RSA " + "PRIVATE KEY-----"
    text = f"see\n{begin}\n{LETTERS}\n{LETTERS}\n{end}\nbye"
    (finding,) = Secrets().inspect(Text(text, "$.x"))
    assert finding.kind == "PRIVATE_KEY"
    assert text[finding.start : finding.end] == f"{begin}\n{LETTERS}\n{LETTERS}\n{end}"


def test_password_in_url_is_found_and_the_host_is_kept() -> None:
    text = "postgresql://app:" + "s3cr3t!pw" + "@db.internal:5432/shop"
    (finding,) = Secrets().inspect(Text(text, "$.x"))
    assert finding.kind == "CONNECTION_STRING"
    assert text[finding.start : finding.end] == "s3cr3t!pw"


@pytest.mark.parametrize(
    "text",
    [
        "password = " + "'hX9!kd02Lq'",
        'api_key: "' + LETTERS[:32] + '"',
        "export DB_PASSWORD=" + "aT7-pq91Zx",
        "ENV_SECRET_TOKEN=" + LETTERS[:24],
    ],
)
def test_random_value_beside_a_telling_word_is_found(text: str) -> None:
    assert kinds(text) in (["PASSWORD"], ["GENERIC_SECRET"])


@pytest.mark.parametrize("field", ["password", "access_token", "api_key"])
def test_bare_value_is_no_leak_because_of_its_field(field: str) -> None:
    assert kinds("hX9!kd02Lq" + LETTERS[:20], field) == []


def test_provider_token_is_found_in_a_credential_field() -> None:
    assert kinds(TOKENS["GITHUB_TOKEN"], "access_token") == ["GITHUB_TOKEN"]


@pytest.mark.parametrize(
    "text",
    [
        "password: ${DB_PASSWORD}",
        "password = getpass.getpass()",
        "token = os.environ['GITHUB_TOKEN']",
        "api_key: YOUR_API_KEY_HERE",
        "Set `API_KEY=<your-api-key>` in .env",
        "AWS_SECRET_ACCESS_KEY=" + "x" * 20,
        "export OPENAI_API_KEY=sk-...",
        "The password policy requires 12 characters.",
        "commit a8c8550d4aa7106b1ebc78931b79725e5ee691f6",
        "ff5c1bc4-d47b-55ce-4681-5e3d0b07e0a5",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db",
        "password=[REDACTED:PASSWORD]",
        "",
    ],
)
def test_placeholder_reference_or_id_is_not_found(text: str) -> None:
    found = Secrets().inspect(Text(text, "$.x"))
    assert [f for f in found if f.confidence >= 0.5] == []


def test_every_token_format_is_documented() -> None:
    from_table = TOKEN_TABLE
    assert all(token.source and token.provider for token in from_table)
    assert len({token.provider for token in from_table}) >= 40


def test_value_in_a_document_that_is_written_down_is_judged_by_its_field() -> None:
    def inner(value: str, field: str) -> list[str]:
        text = Text(value, "$.content", "write_file", field, is_inner=True)
        return [f.kind for f in Secrets().inspect(text) if f.confidence >= 0.5]

    assert inner("hX9!k", "db_password") == []
    assert inner("hX9!kd0", "db_password") == ["PASSWORD"]
    assert inner(LETTERS[:24], "client_secret") == ["GENERIC_SECRET"]
    assert inner(LETTERS[:24], "title") == []
    assert inner("${DB_PASSWORD}", "password") == []


def test_value_without_the_chance_of_a_random_one_is_no_token() -> None:
    assert kinds("OCTOPUS API-" + "A" * 25) == []
    assert kinds("key: AKIA" + "EXAMPLEKEY" + "ABCDEF") == []


def test_token_whose_structure_is_wrong_is_not_found() -> None:
    assert kinds("see " + "eyJ" + "x" * 20 + ".eyJ" + "y" * 20 + "." + LETTERS) == []


def test_very_short_text_is_not_looked_into() -> None:
    assert kinds("pwd=a1!") == []


def test_table_knows_some_two_hundred_formats() -> None:
    assert len({token.kind for token in TOKEN_TABLE}) >= 190


def test_formats_do_not_take_each_other_for_their_own() -> None:
    for kind, token in TOKENS.items():
        assert kinds(f"see {token} now") == [kind]
