from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.names import Glob, ToolPattern, fold, glob_problem


@pytest.mark.parametrize(
    "name",
    [
        "DELETE_USER",
        " delete_user\n",
        "delete\u200b_user",
        "de\u00adlete_user",
        "ｄｅｌｅｔｅ_ｕｓｅｒ",
        "dеlеtе_usеr",
        "délete_user",
        "\u202edelete_user",
        "delete\u3164_user",
        "𝐝𝐞𝐥𝐞𝐭𝐞_user",
        "delete_υser",
        "delete_useг".replace("г", "r"),
    ],
)
def test_names_that_look_alike_fold_to_one(name: str) -> None:
    assert fold(name) == "delete_user"


@given(st.text())
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=30))
def test_ascii_is_only_stripped_and_lowered(text: str) -> None:
    assert fold(text) == "".join(c for c in text if " " < c < "\x7f").lower()


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("get_customer", "get_customer", True),
        ("get_customer", "Get_customer", False),
        ("get_*", "get_", True),
        ("get_*", "forget_x", False),
        ("get_?", "get_ab", False),
        ("get_[abc]", "get_b", True),
        ("get_[!abc]", "get_b", False),
        ("*", "", True),
        ("a.b", "axb", False),
    ],
)
def test_globs_match_whole_names_by_case(glob: str, name: str, matches: bool) -> None:
    assert Glob.of(glob).matches(name) is matches


def test_glob_with_many_stars_is_quick_on_long_names() -> None:
    assert not Glob.of("*a" * 30 + "b").matches("a" * 10_000)


def test_only_folding_patterns_catch_look_alikes() -> None:
    assert ToolPattern.of("rm_*", folds=True).matches("RM_x", fold("RM_x"))
    assert ToolPattern.of("rm_*", folds=True).matches("rm_x", "rm_x")
    assert not ToolPattern.of("rm_*", folds=False).matches("RM_x", fold("RM_x"))


@pytest.mark.parametrize("glob", ["", " a", "a ", "a[", "[a"])
def test_bad_globs_are_named(glob: str) -> None:
    assert glob_problem(glob)


@pytest.mark.parametrize("glob", ["a", "a*", "[ab]?", "[[]", "a]"])
def test_good_globs_have_no_problem(glob: str) -> None:
    assert glob_problem(glob) is None


def test_pattern_that_allows_does_not_look_past_a_namespace() -> None:
    guarding = ToolPattern.of("pay", folds=True)
    allowing = ToolPattern.of("pay", folds=False, allows=True)
    assert guarding.matches("shop.Pay", fold("shop.Pay"))
    assert not allowing.matches("shop.pay", "shop.pay")
    assert allowing.matches("pay", "pay")
