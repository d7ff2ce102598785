import pytest

from callgate.canonical import Json
from callgate.demo.errors import ApiError
from callgate.demo.page import Window, page, window

ITEMS: list[dict[str, Json]] = [{"id": str(n)} for n in range(5)]


def ids(shown: dict[str, Json]) -> list[Json]:
    data = shown["data"]
    assert isinstance(data, list)
    return [item["id"] for item in data if isinstance(item, dict)]


def test_list_is_newest_first_and_says_whether_there_is_more() -> None:
    shown = page(ITEMS, Window(limit=2))
    assert ids(shown) == ["4", "3"]
    assert (shown["first_id"], shown["last_id"], shown["has_more"]) == ("4", "3", True)


def test_after_continues_and_the_last_page_has_no_more() -> None:
    shown = page(ITEMS, Window(limit=3, after="2"))
    assert (ids(shown), shown["has_more"]) == (["1", "0"], False)


def test_before_shows_the_page_next_to_the_cursor() -> None:
    shown = page(ITEMS, Window(limit=2, is_newest_first=False, before="3"))
    assert (ids(shown), shown["has_more"]) == (["1", "2"], True)


def test_empty_list_has_no_ids() -> None:
    assert page([], Window()) == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"limit": "0"}, "integer_below_min_value", "Expected a value >= 1, but got 0 instead."),
        ({"limit": "101"}, "integer_above_max_value", "Expected a value <= 100, but got 101"),
        ({"limit": "ten"}, "invalid_type", "expected an integer, but got a string"),
        ({"limit": "--1"}, "invalid_type", "expected an integer"),
        ({"order": "up"}, "invalid_value", "Supported values are: 'asc' and 'desc'."),
    ],
)
def test_bad_query_is_refused(query: dict[str, str], code: str, message: str) -> None:
    with pytest.raises(ApiError) as error:
        window(query)
    assert (error.value.status, error.value.code) == (400, code)
    assert message in error.value.message


def test_unknown_cursor_is_refused() -> None:
    with pytest.raises(ApiError, match="No object found with id 'x'"):
        page(ITEMS, Window(after="x"))
