from __future__ import annotations

import base64
import json

import pytest

from callgate.canonical import Json
from callgate.detectors import Inspector, redact, redact_text
from callgate.detectors.redaction import REDACTED_REASONS, found_texts
from callgate.model import Finding, Reason
from tests.detectors.secrets.tokens import test_business as business
from tests.detectors.secrets.tokens import test_clouds as clouds
from tests.detectors.secrets.tokens import test_hosting as hosting
from tests.detectors.secrets.tokens import test_messaging as messaging
from tests.detectors.secrets.tokens import test_models as models
from tests.detectors.secrets.tokens import test_operations as operations
from tests.detectors.secrets.tokens.sound import make

TOKEN = "ghp" + "_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6"
SSN = "536-90-4399"


def finding(start: int, end: int, kind: str = "A", reason: str = Reason.SECRET_DETECTED) -> Finding:
    return Finding(kind, reason, "$", start, end)


def test_span_becomes_a_typed_placeholder_and_the_rest_stays(inspector: Inspector) -> None:
    arguments: Json = {"text": f"use {TOKEN} now", "n": 1, "list": [True, None, f"SSN {SSN}"]}
    assert redact(arguments, inspector.inspect("t", arguments)) == {
        "text": "use [REDACTED:GITHUB_TOKEN] now",
        "n": 1,
        "list": [True, None, "SSN [REDACTED:SSN]"],
    }


def test_arguments_given_are_not_changed(inspector: Inspector) -> None:
    arguments: Json = {"text": TOKEN}
    redact(arguments, inspector.inspect("t", arguments))
    assert arguments == {"text": TOKEN}


def test_overlapping_spans_become_one_placeholder() -> None:
    assert redact("0123456789", [finding(4, 8, "B"), finding(2, 6)]) == "01[REDACTED:A]89"


def test_adjacent_spans_stay_apart() -> None:
    assert redact("0123", [finding(0, 2), finding(2, 4, "B")]) == "[REDACTED:A][REDACTED:B]"


def test_keys_are_redacted_and_stay_distinct(inspector: Inspector) -> None:
    other = "ghp" + "_" + "zZ3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6"
    arguments: Json = {TOKEN: f"my SSN {SSN}", other: 2}
    assert redact(arguments, inspector.inspect("t", arguments)) == {
        "[REDACTED:GITHUB_TOKEN]": "my SSN [REDACTED:SSN]",
        "[REDACTED:GITHUB_TOKEN]#2": 2,
    }


def test_destructive_command_is_not_cut() -> None:
    meant = [finding(0, 2, reason=Reason.DESTRUCTIVE_COMMAND)]
    assert redact("rm -rf /", meant) == "rm -rf /"


def test_reasons_choose_what_is_taken_out() -> None:
    found = [finding(0, 1), finding(2, 3, "B", Reason.PII_DETECTED)]
    assert redact("a b", found, reasons=(Reason.PII_DETECTED,)) == "a [REDACTED:B]"


def test_finding_for_information_is_left_in(inspector: Inspector) -> None:
    assert redact_text("to jane@example.org", inspector) == "to jane@example.org"


def test_encoded_secret_goes_as_a_whole(inspector: Inspector) -> None:
    packed = base64.b64encode(f"token {TOKEN}".encode()).decode()
    assert redact_text(f"see {packed}.", inspector) == "see [REDACTED:GITHUB_TOKEN]."


def test_json_in_a_string_stays_json(inspector: Inspector) -> None:
    text = json.dumps({"a": f"x {TOKEN}", "b": f'"quoted" {TOKEN}'})
    assert json.loads(redact_text(text, inspector)) == {
        "a": "x [REDACTED:GITHUB_TOKEN]",
        "b": "[REDACTED:GITHUB_TOKEN]",
    }


def test_redacting_again_changes_nothing(inspector: Inspector) -> None:
    text = f"password = 'hX9!kd02Lq' and {TOKEN}, postgres://a:{'s3cr3t'}@h/db, SSN {SSN}"
    once = redact_text(text, inspector)
    assert "hX9" not in once
    assert redact_text(once, inspector) == once


SAMPLES = [
    sound
    for table in (business, clouds, hosting, messaging, models, operations)
    for _, sound, _ in table.SAMPLES
    if sound[:1].isalnum() and not set(sound) & set(" =:")
]
CARRIERS = (
    "here is the key you asked for: {}, thanks!",
    "DEBUG=1\nAPI_TOKEN={}\nPORT=8080\n",
    'client = Client("{}")\n',
    "curl -H 'X-Api-Key: {}' https://api.example.com/v1/me",
    '{{"auth": {{"token": "{}"}}}}',
    "Authorization: Bearer {}",
)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_planted_token_is_covered_whole_and_for_good(inspector: Inspector, carrier: str) -> None:
    assert len(SAMPLES) > 120
    covered = 0
    for sample in SAMPLES:
        token = make(sample)
        once = redact(
            {"text": carrier.format(token)}, inspector.inspect("t", {"text": carrier.format(token)})
        )
        assert redact(once, inspector.inspect("t", once)) == once
        left = json.dumps(once)
        covered += not any(token[i : i + 8] in left for i in range(len(token) - 7))
    assert covered >= 0.95 * len(SAMPLES)


@pytest.mark.parametrize(
    "text",
    [
        "curl -u '{}:' https://example.org",
        "curl -u app:{} https://example.org",
        "postgres://app:{}@db/shop?sslmode=off",
        "Server=db;User Id=app;Password={};",
        "machine example.org login app password {}",
        "<password>{}</password>",
        "password: '{}'",
        "psexec -u app -p {} cmd",
    ],
)
def test_placeholder_where_a_password_stood_is_not_taken_for_one(
    inspector: Inspector, text: str
) -> None:
    value = make("p<w20>")[1:]
    once = redact_text(text.format(value), inspector)
    assert value not in once
    assert "[REDACTED:" in once
    left = inspector.inspect("", once)
    assert [finding for finding in left if finding.reason in REDACTED_REASONS] == []


def test_numbers_side_by_side_are_all_covered_at_once(inspector: Inspector) -> None:
    card = " ".join(["4111", *["1111"] * 3])
    text = f"phones\n085 175 7641\n085 175 7642\n085 175 7643\nSSN {SSN} {SSN}, cards {card},{card}"
    once = redact(text, inspector.inspect("", text))
    assert isinstance(once, str)
    assert not any(c.isdigit() for c in once)


@pytest.mark.parametrize(
    "text",
    [
        "[REDACTED:PHONE] 085 175 7641",
        "[REDACTED:CREDIT_CARD] 391310425148",
        "'[REDACTED:PASSWORD]', 'hX9kd02Lq'",
        "[REDACTED:API_KEY] = hX9kd02LqaB3dE6gH9jK2",
    ],
)
def test_word_in_a_placeholder_tells_nothing_of_what_stands_beside_it(
    inspector: Inspector, text: str
) -> None:
    assert redact_text(text, inspector) == text


def test_secret_dressed_as_a_placeholder_is_found(inspector: Inspector) -> None:
    dressed = "[REDACTED:" + "AKIA" + "Q3EGRIGSAR4C7XYZ" + "]"
    assert [f.kind for f in inspector.inspect("", dressed)] == ["AWS_ACCESS_KEY"]


def test_what_was_too_large_to_look_into_is_replaced_as_a_whole() -> None:
    small = Inspector([], max_characters=10)
    assert redact_text("x" * 11, small) == "[REDACTED:ARGUMENTS_TOO_LARGE]"


def test_found_texts_are_those_that_findings_point_at() -> None:
    value: Json = {"a": ["see kim@x.org", 5], "key-of-many-digits-123456": "12"}
    findings = [
        Finding("EMAIL", Reason.PII_DETECTED, "$.a[0]", 4, 13),
        Finding("SHELL", Reason.DESTRUCTIVE_COMMAND, "$.a[0]", 0, 3),
        Finding("PHONE", Reason.PII_DETECTED, "$[~1]", 19, 25),
        Finding("PHONE", Reason.PII_DETECTED, "$[#1]", 0, 2),
        Finding("EMPTY", Reason.PII_DETECTED, "$.a[0]", 2, 2),
        Finding("DECODED", Reason.PII_DETECTED, "$.a[0]|base64", 0, 3),
    ]

    assert found_texts(value, findings) == ["kim@x.org", "123456", "12"]
    assert found_texts(value, []) == []
