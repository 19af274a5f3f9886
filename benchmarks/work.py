"""The operations: the request bytes of each, built ahead but for one value, and the check of its answer."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.people import EVENT, EVENT_PROPERTIES, HISTORY, TAGS, Sample, order

SLOT = "@@@"
APART = "_apart"
WORDINGS = 64
LIST = 20
PAGE = 1000
EVENTS = 50
PERSON = (
    "query Person($id: ID!){person(by:{id:$id}){id type firstName lastName externalId createdAt updatedAt version "
    "emails{address primary} tags}}"
)
PERSONS = (
    f"query Persons{{persons(first:{LIST}){{nodes{{id type firstName lastName emails{{address primary}} "
    "phones{number primary} tags createdAt} pageInfo{hasNextPage endCursor}}}"
)
THOUSAND = PERSONS.replace("Persons", "Page").replace(f"first:{LIST}", f"first:{PAGE}")
TIMELINE = (
    f"query Timeline($id: ID!){{person(by:{{id:$id}}){{id timeline(first:{EVENTS}){{nodes{{id type occurredAt "
    "receivedAt source properties} pageInfo{hasNextPage endCursor}}}}"
)
CREATE = "mutation Create($input: CreatePersonInput!){createPerson(input:$input){person{id} errors{code}}}"
TRACK = "mutation Track($events: [EventInput!]!){trackEvents(events:$events){results{status}}}"
DEFINE = "mutation Define($input: DefineEventInput!){defineEvent(input:$input){errors{code message}}}"

NEW = {
    "type": "CUSTOMER",
    "firstName": "Katherine",
    "lastName": "Johnson",
    "emails": [{"address": f"new{SLOT}@example.com", "primary": True}],
    "tags": [TAGS[0], TAGS[1]],
}
ITEM = {"person": {"id": SLOT}, "type": EVENT, "properties": EVENT_PROPERTIES}
VARIABLES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "person": ("Person", PERSON, {"id": SLOT}),
    "persons": ("Persons", PERSONS, {}),
    "page": ("Page", THOUSAND, {}),
    "timeline": ("Timeline", TIMELINE, {"id": SLOT}),
    "create": ("Create", CREATE, {"input": NEW}),
    "event": ("Track", TRACK, {"events": [ITEM]}),
}
OPERATIONS = (*VARIABLES, *(f"{name}{APART}" for name in ("persons", "page", "timeline")))
SIZES = {"persons": LIST, "page": PAGE}
SAME = ("type", "firstName", "lastName", "emails", "tags")


def request(body: bytes, key: str) -> bytes:
    """Return the bytes of a whole HTTP request."""
    head = (
        "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def document(name: str, query: str, variables: dict[str, Any]) -> bytes:
    """Return the JSON body of a GraphQL request."""
    return orjson.dumps({"query": query, "operationName": name, "variables": variables})


def stamped(value: object) -> bool:
    """Tell whether a value looks like a point in time."""
    return isinstance(value, str) and len(value) > 18 and value[10] == "T"


def same(node: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether an answered person is the seeded one, field by field; tags in any order."""
    return stamped(node["createdAt"]) and all(
        sorted(node[name]) == sorted(wanted[name]) if name == "tags" else node[name] == wanted[name] for name in SAME
    )


def right_size(page: dict[str, Any], size: int) -> bool:
    """Tell whether a page has so many different nodes, and more to come."""
    info = page["pageInfo"]
    return len({node["id"] for node in page["nodes"]}) == size and info["hasNextPage"] and bool(info["endCursor"])


def right_timeline(page: dict[str, Any]) -> bool:
    """Check the newest events of the long timeline, from the last on; the person's creation may be newer."""
    sent = [node for node in page["nodes"] if node["type"] == EVENT]
    return (
        right_size(page, EVENTS)
        and len(sent) >= EVENTS - 1
        and all(right_event(node, HISTORY - 1 - back) for back, node in enumerate(sent))
    )


def right_event(node: dict[str, Any], number: int) -> bool:
    """Tell whether an answered event is the one of a number."""
    told = node["properties"] == order(number) and node["source"] == "API"
    return told and stamped(node["occurredAt"]) and stamped(node["receivedAt"])


@dataclass(slots=True)
class Work:
    """Requests and checks of one operation against one server.

    `people` are the persons as that server knows them; the first has the long timeline, and gets no more events.
    """

    operation: str
    people: Sequence[Sample]
    key: str
    run: str
    values: Callable[[], str] = field(init=False)
    parts: Iterator[list[bytes]] = field(init=False)
    known: dict[str, dict[str, Any]] = field(init=False)
    seen: dict[object, bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Build the request around the one value that changes; its length never does."""
        apart = self.operation.endswith(APART)
        self.operation = self.operation.removesuffix(APART)
        counter = itertools.count()
        named = [sample.id for sample in self.people]
        named = {"timeline": named[:1], "event": named[1:]}.get(self.operation, named)
        random.Random(7).shuffle(named)
        ids = itertools.cycle(named)
        self.values = (lambda: f"{self.run}{next(counter):08d}") if self.operation == "create" else ids.__next__
        sample = self.values().encode()
        name, query, variables = VARIABLES[self.operation]
        # In words of their own: nobody asks what another is asking at the moment.
        queries = [f"{query}#{number:02}" for number in range(WORDINGS)] if apart else [query]
        bodies = [document(name, one, variables).replace(SLOT.encode(), sample) for one in queries]
        self.parts = itertools.cycle([request(body, self.key).split(sample) for body in bodies])
        self.known = {sample.id: sample.input for sample in self.people}

    def ask(self) -> tuple[bytes, object]:
        """Return the next request and what its answer is checked by."""
        value = self.values()
        return value.encode().join(next(self.parts)), value

    def check(self, body: bytes, token: object) -> bool:
        """Tell whether an answer is the right one. An answer equal to one found right before is right."""
        key = token if self.operation == "person" else ""
        if self.operation != "create" and self.seen.get(key) == body:
            return True
        try:
            right = self.right(orjson.loads(body), token)
        except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
            return False
        if right and self.operation != "create":
            self.seen[key] = body
        return right

    def right(self, answer: dict[str, Any], token: object) -> bool:
        """Check a parsed answer against what this operation promises."""
        data = answer["data"]
        if answer.get("errors"):
            return False
        if self.operation == "person":
            found = data["person"]
            whole = found["version"] >= 1 and stamped(found["updatedAt"])
            wanted = self.known[token]
            return (
                found["id"] == token and whole and found["externalId"] == wanted["externalId"] and same(found, wanted)
            )
        if self.operation in SIZES:
            return self.right_page(data["persons"], SIZES[self.operation])
        if self.operation == "timeline":
            return data["person"]["id"] == token and right_timeline(data["person"]["timeline"])
        if self.operation == "create":
            made = data["createPerson"]
            return made["errors"] == [] and bool(made["person"]["id"])
        return data["trackEvents"]["results"] == [{"status": "ACCEPTED"}]

    def right_page(self, page: dict[str, Any], size: int) -> bool:
        """Check a page of seeded persons (new ones too, where creates ran before), with more to come."""
        nodes = page["nodes"]
        return right_size(page, size) and all(self.right_row(node) for node in nodes)

    def right_row(self, node: dict[str, Any]) -> bool:
        """Check one row of a page."""
        wanted = self.known.get(node["id"])
        if wanted is None:
            return node["firstName"] == NEW["firstName"] and len(node["emails"]) == 1 and len(node["tags"]) == 2
        digits = ["".join(filter(str.isdigit, phone["number"])) for phone in node["phones"]]
        return digits == [phone["number"].lstrip("+") for phone in wanted["phones"]] and same(node, wanted)
