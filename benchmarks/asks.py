"""The requests of a run at scale: pages, point reads, batches; each with the check of its answer."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from benchmarks import crowd, people, work
from benchmarks.load import Request, Tally, drive
from benchmarks.people import Sample
from benchmarks.processes import ADMIN_KEY, Child
from benchmarks.seed import NotSeeded

ROWS = 1000
EVENTS = 5000
PAGE = 20
ONCE_SECONDS = 60.0
LIST = (
    "query List($filter: PersonFilter,$search: String,$first: Int!,$after: Cursor){persons(filter:$filter,"
    "search:$search,first:$first,after:$after){nodes{id type externalId firstName lastName emails{address primary} "
    "tags createdAt} pageInfo{hasNextPage endCursor}}}"
)
BY_EMAIL = work.PERSON.replace("query Person($id: ID!)", "query ByEmail($email: String!)").replace(
    "{id:$id}", "{email:$email}"
)
UPSERT = (
    "mutation Upsert($persons: [CreatePersonInput!]!){upsertPersons(persons:$persons){"
    "results{index status person{id} errors{code}} errors{code}}}"
)


@dataclass(slots=True)
class Asks:
    """Requests as they come, and whether the data of an answer are right for the token that came with its request."""

    operation: str
    requests: Iterator[Request]
    right: Callable[[dict[str, Any], Any], bool]

    def ask(self) -> Request | None:
        """Return the next request."""
        return next(self.requests, None)

    def check(self, body: bytes, token: object) -> bool:
        """Tell whether an answer is the right one."""
        try:
            answer = orjson.loads(body)
            return not answer.get("errors") and self.right(answer["data"], token)
        except (orjson.JSONDecodeError, KeyError, TypeError, IndexError, ValueError):
            return False


def asked(name: str, query: str, variables: dict[str, Any]) -> bytes:
    """Return the bytes of one request."""
    return work.request(work.document(name, query, variables), ADMIN_KEY)


async def answered(server: Child, name: str, query: str, variables: dict[str, Any]) -> Any:
    """Return the value of the one root field of one answer; raises NotSeeded where there is an error in it."""
    kept: list[Any] = []

    def keep(data: dict[str, Any], _token: object) -> bool:
        kept.extend(data.values())
        return not (isinstance(kept[-1], dict) and kept[-1].get("errors"))

    one = Asks(name, iter([(asked(name, query, variables), None)]), keep)
    tally = await drive(Tally(one.ask, one.check), server.port, 1, ONCE_SECONDS)
    if tally.failed or not kept:
        raise NotSeeded("\n".join([f"{name} failed", *tally.samples]))
    return kept[0]


def page(
    operation: str, variables: dict[str, Any], expected: Sequence[int] | None, *, after: str | None = None
) -> Asks:
    """Return the same page again and again; it must show the persons of `expected`, or any twenty of the crowd."""

    def right(data: dict[str, Any], _token: object) -> bool:
        nodes, info = data["persons"]["nodes"], data["persons"]["pageInfo"]
        numbers = [crowd.number_of(node["externalId"]) for node in nodes]
        if expected is None:
            fits = len(set(numbers)) == PAGE and info["hasNextPage"]
        else:
            fits = numbers == list(expected[:PAGE]) and info["hasNextPage"] is (len(expected) > PAGE)
        return fits and all(_same(node, number) for node, number in zip(nodes, numbers, strict=True))

    payload = asked("List", LIST, {**variables, "first": PAGE, "after": after})
    return Asks(operation, itertools.repeat((payload, None)), right)


def _same(node: dict[str, Any], number: int) -> bool:
    """Tell whether a node is the person of a number, as made or as changed by a batch."""
    given = crowd.given(number)
    return work.same(node, given) or work.same(node, crowd.changed(given))


def by_id(people: Sequence[Sample]) -> Asks:
    """Return reads of one person after another by id."""
    requests = ((asked("Person", work.PERSON, {"id": one.id}), one) for one in itertools.cycle(people))
    return Asks("person by id", requests, _right_person)


def by_email(people: Sequence[Sample]) -> Asks:
    """Return reads of one person after another by email."""
    addresses = ((one.input["emails"][0]["address"], one) for one in itertools.cycle(people))
    requests = ((asked("ByEmail", BY_EMAIL, {"email": address}), one) for address, one in addresses)
    return Asks("person by email", requests, _right_person)


def _right_person(data: dict[str, Any], one: Sample) -> bool:
    return data["person"]["id"] == one.id and work.same(data["person"], one.input)


def upserts(operation: str, batches: Sequence[Sequence[dict[str, Any]]], status: str) -> Asks:
    """Return one request for each batch of inputs; every row of every answer must have the status."""

    def right(data: dict[str, Any], rows: int) -> bool:
        results = data["upsertPersons"]["results"]
        return len(results) == rows and all(
            one["index"] == n and one["status"] == status and one["person"]["id"] for n, one in enumerate(results)
        )

    requests = [(asked("Upsert", UPSERT, {"persons": batch}), len(batch)) for batch in batches]
    return Asks(operation, iter(requests), right)


def events(operation: str, calls: int, persons: Sequence[dict[str, Any]]) -> Asks:
    """Return requests of EVENTS events each, spread over persons that their external ids name."""
    began = datetime.now(UTC) - timedelta(days=1)
    items = [
        {
            "person": {"externalId": persons[n % len(persons)]["externalId"]},
            "type": people.EVENT,
            "occurredAt": (began + timedelta(seconds=n)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "properties": {"orderNumber": f"A-{n:06d}", "total": n / 8},
        }
        for n in range(EVENTS)
    ]
    payload = asked("Track", work.TRACK, {"events": items})

    def right(data: dict[str, Any], _token: object) -> bool:
        results = data["trackEvents"]["results"]
        return len(results) == EVENTS and all(one["status"] == "ACCEPTED" for one in results)

    return Asks(operation, itertools.repeat((payload, None), calls), right)
