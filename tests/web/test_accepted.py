"""The type of an answer is the one that the request likes best of those that there are."""

import pytest

from app.web.accepted import accepted
from app.web.edge import by_name
from tests.api import Api

BOTH = "application/json, application/graphql-response+json"


@pytest.mark.parametrize(
    ("header", "old"),
    [
        (None, False),
        ("*/*", False),
        ("application/*", False),
        ("application/json", True),
        ("Application/JSON ; charset=utf-8", True),
        ("application/json, text/plain, */*", True),
        (BOTH, False),
        ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", False),
        ("application/json, application/graphql-response+json;q=0.9", True),
        ("application/json;q=0.9, application/graphql-response+json", False),
        ("application/json;q=0.5, */*", False),
        ("application/json; Q = 0.5, */*;q=0.4", True),
        ("application/graphql-response+json;q=0, application/json;q=0.1", True),
        ("application/graphql-response+json;q=0, */*", True),
        ("application/json;q=0, */*", False),
        ("application/json;q=0", False),
        ("application/graphql-response+json;q=0.000", True),
        ("application/json;q=0.5, application/*;q=0.8, */*;q=0.1", False),
        ("text/plain", False),
        ("application/json;q=high", True),
        ("", False),
    ],
)
async def test_the_better_liked_type_is_sent(api: Api, header: str | None, old: bool) -> None:  # noqa: FBT001
    """By weights, the more exact range first; of two alike the one that is named, else the newer one."""
    said = None if header is None else header.encode()
    assert accepted(said).old is old
    response = await api.post("{ nope }", None, Accept=header or "*/*")
    kind = "application/json" if old else "application/graphql-response+json"
    assert (response.headers["content-type"].partition(";")[0], response.status_code) == (kind, 200 if old else 400)


@pytest.mark.parametrize(("weight", "comes"), [("", True), (";q=0.1", True), (";q=0", False), ("; q=0.0", False)])
async def test_a_stream_and_a_page_come_where_they_are_accepted(api: Api, weight: str, *, comes: bool) -> None:
    """A weight of nothing rules them out."""
    found = accepted(f"text/event-stream{weight}, TEXT/HTML{weight}, */*".encode())
    assert (found.stream, found.page) == (comes, comes)
    page = await api.http.get("/graphql", headers={"Accept": f"text/html{weight}"})
    assert page.status_code == (200 if comes else 405)


async def test_lines_of_one_header_are_one_list(api: Api) -> None:
    """Of several lines each counts."""
    lines = [("Accept", "application/json"), ("Accept", "text/plain;q=0.5"), ("Authorization", f"Bearer {api.key}")]
    response = await api.http.post("/graphql", json={"query": "{ __typename }"}, headers=lines)
    assert response.headers["content-type"].partition(";")[0] == "application/json"
    page = await api.http.get("/graphql", headers=[("Accept", "text/html"), ("Accept", "*/*;q=0.1")])
    assert page.status_code == 200
    assert by_name([(b"accept", b"a/b"), (b"host", b"x"), (b"accept", b"c/d"), (b"host", b"y")]) == {
        b"accept": b"a/b, c/d",
        b"host": b"y",
    }


def test_any_header_is_read_in_time() -> None:
    """However long it is."""
    assert accepted(b"a/b;q=0.1," * 6_000 + b"text/event-stream").stream
    assert accepted(b";" * 60_000) == accepted(b"text/plain")
