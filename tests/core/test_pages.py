"""Cursors are opened by their own account and query alone; pages are cut in the list's own order."""

from typing import Any

import pytest

from app.core.errors import Fault
from app.core.pages import Page, Signer, Slice, cut, window

SIGNER = Signer(b"secret")


def test_a_cursor_opens_for_its_account_and_query() -> None:
    """What was sealed comes back."""
    cursor = SIGNER.seal("acc_1", "persons", (1, "per_1"))
    assert SIGNER.open("acc_1", "persons", cursor) == (1, "per_1")


@pytest.mark.parametrize(
    ("account", "query", "cursor"),
    [
        ("acc_2", "persons", None),
        ("acc_1", "companies", None),
        ("acc_1", "persons", "nonsense"),
        ("acc_1", "persons", ""),
        ("acc_1", "persons", "ä"),
        ("acc_1", "persons", "a"),
    ],
)
def test_a_foreign_cursor_is_refused(account: str, query: str, cursor: str | None) -> None:
    """Another account, another query and inventions are all the same error."""
    given = SIGNER.seal("acc_1", "persons", (1, "per_1")) if cursor is None else cursor
    with pytest.raises(Fault) as caught:
        SIGNER.open(account, query, given)
    assert caught.value.code == "BAD_CURSOR"


def position(_: str) -> tuple[Any, ...]:
    """Open any cursor."""
    return (7,)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, Slice()),
        ({"first": 5}, Slice(5)),
        ({"first": 0, "after": "c"}, Slice(0, (7,))),
        ({"last": 3}, Slice(3, None, backward=True)),
        ({"before": "c"}, Slice(20, (7,), backward=True)),
    ],
)
def test_relays_arguments_name_a_part(arguments: dict[str, Any], expected: Slice) -> None:
    """Each combination that means something."""
    assert window(position, **arguments) == expected


@pytest.mark.parametrize(
    "arguments", [{"first": 1, "last": 1}, {"after": "c", "before": "c"}, {"first": -1}, {"last": 1001}]
)
def test_what_names_no_part_is_refused(arguments: dict[str, Any]) -> None:
    """Both directions at once, and sizes out of bounds."""
    with pytest.raises(Fault) as caught:
        window(position, **arguments)
    assert caught.value.code == "BAD_VARIABLES"


def test_a_page_tells_what_is_around_it() -> None:
    """One row more than asked for says that there is more."""
    assert cut([1, 2, 3], Slice(2)) == Page([1, 2], has_next=True, has_previous=False)
    assert cut([3, 2, 1], Slice(2, (4,), backward=True)) == Page([2, 3], has_next=True, has_previous=True)
    assert cut([1], Slice(2, (0,))) == Page([1], has_next=False, has_previous=True)
