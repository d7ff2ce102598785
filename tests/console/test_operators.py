from __future__ import annotations

from callgate.console.operators import Guesses, Operators, new_token
from tests.console.seat import OTHER, TOKEN
from tests.fakes import FakeClock


def test_token_names_its_owner_and_nothing_else_does() -> None:
    operators = Operators({"kim": TOKEN, "robin": OTHER})

    assert operators.name_of(TOKEN) == "kim"
    assert operators.name_of(OTHER) == "robin"
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "kim", "\ud800"):
        assert operators.name_of(wrong) is None


def test_tokens_are_not_kept() -> None:
    assert TOKEN not in repr(vars(Operators({"kim": TOKEN})))


def test_ten_guesses_then_one_in_six_seconds(clock: FakeClock) -> None:
    guesses = Guesses(lambda: clock().timestamp())
    for _ in range(10):
        assert guesses.wait_seconds("here") == 0
        guesses.count("here")

    assert guesses.wait_seconds("here") == 6
    assert guesses.wait_seconds("elsewhere") == 0
    clock.advance(6)
    assert guesses.wait_seconds("here") == 0
    guesses.count("here")
    assert guesses.wait_seconds("here") == 6
    clock.advance(60)
    for _ in range(10):
        assert guesses.wait_seconds("here") == 0
        guesses.count("here")


def test_memory_of_guesses_is_bounded(clock: FakeClock) -> None:
    guesses = Guesses(lambda: clock().timestamp())
    for number in range(1100):
        guesses.count(str(number))

    assert len(guesses._full_at) == 1000


def test_made_tokens_differ_and_are_long() -> None:
    assert len({new_token() for _ in range(50)}) == 50
    assert len(new_token()) >= 32
