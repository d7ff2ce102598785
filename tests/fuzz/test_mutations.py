"""Mutations: repeatable, various, and most of them still cases."""

from __future__ import annotations

import random

import pytest

from tests.fuzz import corpus
from tests.fuzz.case import Case
from tests.fuzz.mutations import mutate

MANY = 200


@pytest.mark.parametrize("target", ["bodies", "streams", "sockets", "results"])
def test_same_dice_make_the_same_case_and_others_another(target: str) -> None:
    cases = list(corpus.kept(target).values())
    made = [
        [mutate(cases[n % len(cases)], random.Random(n), cases) for n in range(MANY)]
        for _ in range(2)
    ]

    assert made[0] == made[1]
    assert len(set(made[0])) > 0.9 * MANY
    assert all(map(Case.read, made[0]))


def test_bytes_that_are_no_case_are_mutated_too() -> None:
    assert len({mutate(b"x", random.Random(n)) for n in range(MANY)}) > 10


def test_document_that_can_hardly_be_deeper_is_mutated_too() -> None:
    deep = b"POST /v1/responses\n\n" + b'{"output":' + b"[" * 900 + b"]" * 900 + b"}"
    assert all(Case.read(mutate(deep, random.Random(n))) for n in range(MANY))
