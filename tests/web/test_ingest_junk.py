"""The wire under whatever a broken or a hostile sender can make up: nothing that comes in is an error of ours."""

import random
from typing import Any

import orjson
import pytest

from app.web import ingest, wire
from tests.api import Api
from tests.web.said import VIEW

PLAIN = 'abcdefghijklmnopqrstuvwxyz{}[]":,0123456789\\ \x00é'


@pytest.mark.often
async def test_ten_thousand_bad_bodies_are_no_errors_of_ours(web: Api) -> None:
    """Cut, turned, mixed up, put together by chance: never a 5xx; on the real store a tenth of them."""
    many = 10_000 if web.service.store.engine.kind == "memory" else 1_000
    chance = random.Random(7)
    good = orjson.dumps(
        {"writeKey": web.key, "sentAt": "2026-05-04T10:00:07.120Z", "batch": [VIEW, {**VIEW, "userId": "u"}]}
    )
    statuses: set[int] = set()
    for number in range(many):
        path = chance.choice(list(ingest.KINDS))
        body = _broken(chance, good) if number % 2 else orjson.dumps(_made(chance, web.key))
        status = await _asked(web, path, body)
        assert status < 500, (path, body)
        statuses.add(status)
    assert {200, 400, 401} <= statuses


def _broken(chance: random.Random, good: bytes) -> bytes:
    body = bytearray(good)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(body))
        match chance.randrange(4):
            case 0:
                body[at] = chance.randrange(256)
            case 1:
                del body[at : at + chance.randint(1, 30)]
            case 2:
                body[at:at] = chance.choice(PLAIN).encode() * chance.randint(1, 3)
            case _:
                body[at:at] = body[chance.randrange(len(body)) :][: chance.randint(1, 40)]
        body = body or bytearray(b"x")
    return bytes(body)


FIELDS = "type messageId anonymousId userId event properties traits timestamp context batch sentAt item attribute"
MORE = "email phone contactInformation customAttributes seats plan groupId previousId"
NAMES = [*FIELDS.split(), *MORE.split()]


def _made(chance: random.Random, key: str) -> dict[str, Any]:
    body = {chance.choice(NAMES): _value(chance, 3) for _ in range(chance.randint(0, 8))}
    return {**body, "writeKey": key, "type": chance.choice([*wire.KINDS, 7, None])}


def _value(chance: random.Random, depth: int) -> Any:
    match chance.randrange(9 if depth else 6):
        case 0:
            return chance.choice([None, True, 2**63, -(2**63), 1e300, -0.0, 10**18])
        case 1 | 2:
            return "".join(chance.choices(PLAIN, k=chance.randint(0, 12)))
        case 3:
            return chance.choice(["track", "productViewed", "a@b.co", "38591123456", "2026-05-04T10:00:00Z", "x" * 300])
        case 4 | 5:
            return chance.randint(-5, 5)
        case 6:
            return [_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
        case _:
            return {chance.choice([*NAMES, "__id", "$set", "a.b"]): _value(chance, depth - 1) for _ in range(3)}


async def _asked(web: Api, path: str, body: bytes) -> int:
    """Return the status of an answer, straight from the application: a client would take longer than it does."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await web.service.app({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
    return statuses[0]
