import json
from dataclasses import replace

import pytest

from callgate.model import Effect
from callgate.store.keyed import KeyedHash
from callgate.store.rows import (
    approval_of,
    approval_row,
    decision_of,
    decision_row,
    record_of,
    record_row,
)
from tests.samples import NOON, decided, pending

KEYED = KeyedHash(b"salt")


@pytest.mark.parametrize("effect", list(Effect))
def test_decision_survives_a_row_but_for_what_is_raw(effect: Effect) -> None:
    secret = "AKIA" + "X" * 16
    decision = decided(effect, secret=secret)

    row = decision_row(decision, KEYED, NOON)
    back = decision_of({**row, "seq": 1, "body": json.loads(json.dumps(row["body"]))})

    call = replace(
        decision.call,
        arguments=decision.redacted_arguments,
        digest=KEYED.digest(decision.call.digest),
    )
    assert back == replace(decision, call=call)
    assert secret not in repr(row)
    assert decision.call.digest not in repr(row)


def test_that_a_call_takes_no_notice_survives_a_row() -> None:
    decision = decided()
    for takes_none in (True, False):
        call = replace(decision.call, takes_no_notice=takes_none)
        row = decision_row(replace(decision, call=call), KEYED, NOON)
        assert decision_of({**row, "seq": 1}).call.takes_no_notice is takes_none


def test_damaged_row_is_a_value_error() -> None:
    row = decision_row(decided(), KEYED, NOON)

    with pytest.raises(ValueError, match="decision 7 is damaged"):
        decision_of({**row, "seq": 7, "body": {}})


def test_approval_survives_a_row() -> None:
    approval = pending().approval
    assert approval

    row = approval_row(approval, "key")

    assert approval_of(row) == approval
    assert approval_of({f"a_{name}": value for name, value in row.items()}, "a_") == approval


def test_record_survives_a_row_and_cannot_forge_its_place() -> None:
    row = record_row({"kind": "call", "n": 1, "seq": 9, "at": "x"}, "host", NOON)

    assert record_of({**row, "seq": 3}) == {
        "seq": 3,
        "at": "2030-01-01T12:00:00.000000Z",
        "instance": "host",
        "kind": "call",
        "n": 1,
    }
