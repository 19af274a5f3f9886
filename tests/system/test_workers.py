"""Several workers of one command: they are one service, whoever of them dies; and all of them go with their parent."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import psutil
import pytest
import websockets
from prometheus_client.parser import text_string_to_metric_families as families

from tests.mongo.real import RealMongo
from tests.system.follower import Follower
from tests.system.process import Served
from tests.system.test_process import COUNT, CREATE

WORKERS = 2
SECONDS = 60.0
VIEWER = "{ viewer { accountId } }"
MAKE_KEY = 'mutation { createApiKey(input: {name: "k", scopes: [PEOPLE_READ]}) { apiKey { id } secret } }'
REVOKE = "mutation($id: ID!) { revokeApiKey(id: $id) { errors { code } } }"


class Crew:
    """A running command; each request comes by a connection of its own, so that any worker may get it."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.parent = psutil.Process(served.process.pid)

    def workers(self) -> list[psutil.Process]:
        """Return the workers that run."""
        return [one for one in self.parent.children() if "mongod" not in one.name()]

    def post(self, key: str, query: str = VIEWER) -> tuple[str, httpx.Response]:
        """Ask once; returns which worker answered, by the part of request ids that is its own."""
        headers = {"Authorization": f"Bearer {key}"}
        response = httpx.post(f"{self.served.url}/graphql", json={"query": query}, headers=headers, timeout=SECONDS)
        return response.headers["x-request-id"].partition("-")[0], response

    def each(self, key: str, query: str = VIEWER) -> dict[str, httpx.Response]:
        """Ask until every worker has answered; returns the last answer of each."""
        found: dict[str, httpx.Response] = {}
        until = time.monotonic() + SECONDS
        while len(found) < WORKERS:
            name, response = self.post(key, query)
            found[name] = response
            assert time.monotonic() < until, found
        return found

    def metric(self, name: str) -> dict[str, float]:
        """Return the samples of one name by worker, from one scrape."""
        text = httpx.get(f"{self.served.url}/metrics", timeout=SECONDS).text
        samples = [one for family in families(text) for one in family.samples if one.name == name]
        return {one.labels["worker"]: one.value for one in samples}


@pytest.fixture(scope="module")
def crew(mongo: RealMongo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Give two workers on a private mongod; a key has a burst of 200 units."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    served = Served(tmp_path_factory.mktemp("crew"), "--workers", str(WORKERS), rate_limit="20")
    yield Crew(served)
    served.end()


def test_workers_are_greeted_as_one_service(crew: Crew) -> None:
    """One address, one key, as many processes as were asked for, one mongod; each of them answers."""
    text = crew.served.text()
    assert [len(re.findall(word, text)) for word in ("GraphiQL", "Admin key", f"Workers +{WORKERS}")] == [1, 1, 1]
    assert (len(crew.workers()), len(crew.parent.children(recursive=True))) == (WORKERS, WORKERS + 1)
    answers = crew.each(crew.served.key)
    assert {one.status_code for one in answers.values()} == {200}
    assert len({one.text for one in answers.values()}) == 1


def test_one_scrape_tells_of_all_workers(crew: Crew) -> None:
    """Whichever is asked: what each has answered, by its number, and that it is there."""
    crew.each(crew.served.key)
    assert crew.metric("profiles_worker_up") == {"1": 1, "2": 1}
    text = httpx.get(f"{crew.served.url}/metrics").text
    counted = re.findall(
        r'^profiles_requests_total\{kind="query",status="200",worker="(\d)"\} ([\d.]+)$', text, re.MULTILINE
    )
    assert [number for number, count in counted if float(count) > 0] == ["1", "2"]
    assert text.count("# TYPE profiles_requests_total") == 1


def test_a_key_has_one_bucket_over_all_workers(crew: Crew) -> None:
    """What one of them gave no other gives again, and all say how long it takes to fill."""
    key = crew.served.ask(MAKE_KEY)["secret"]
    whole = "{ persons(first: 200) { nodes { id } } }"
    assert crew.post(key, whole)[1].status_code == 200
    for answer in crew.each(key, whole).values():
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
        assert int(answer.headers["ratelimit-remaining"]) < 200
        assert 0 < int(answer.headers["ratelimit-reset"]) <= 10


async def test_a_revoked_key_is_refused_by_every_worker_within_five_seconds(crew: Crew) -> None:
    """Also where it was known a moment ago; what is open with it is closed, on whichever worker it is."""
    made = await asyncio.to_thread(crew.served.ask, MAKE_KEY)
    async with AsyncExitStack() as held:
        followers = [follower async for follower in followed(crew, made["secret"], held)]
        await asyncio.to_thread(crew.each, made["secret"])
        await asyncio.to_thread(crew.served.ask, REVOKE, id=made["apiKey"]["id"])
        began = time.monotonic()
        for follower in followers:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                async with asyncio.timeout(5 - (time.monotonic() - began)):
                    await follower.socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4403
        answers = await asyncio.to_thread(crew.each, made["secret"])
    assert {one.status_code for one in answers.values()} == {401}


async def followed(crew: Crew, key: str, held: AsyncExitStack) -> AsyncIterator[Follower]:
    """Give followers that are ready, until every worker has one."""
    for _ in range(20):
        follower = Follower(crew.served, key)
        await follower.begin()
        held.push_async_callback(follower.socket.close)
        assert (await follower.next())["kind"] == "READY"
        yield follower
        if min((await asyncio.to_thread(crew.metric, "profiles_sockets")).values()) > 0:
            return
    raise AssertionError("one worker gets all connections")


def test_a_worker_that_is_killed_is_replaced(crew: Crew) -> None:
    """By a new one on the same socket: nobody is refused meanwhile, and who waits is answered."""
    before = crew.workers()
    crew.each(crew.served.key)
    before[0].kill()
    for _ in range(12):
        assert httpx.get(f"{crew.served.url}/livez", timeout=SECONDS).status_code == 200
    answers = crew.each(crew.served.key)
    assert {one.status_code for one in answers.values()} == {200}
    after = crew.workers()
    assert (len(after), before[1] in after, before[0] in after) == (WORKERS, True, False)
    assert '"event":"worker_ended"' in crew.served.text()


def test_nothing_is_left_of_a_killed_parent_and_sigterm_stops_all(crew: Crew) -> None:
    """W kill -9 of the parent T workers and mongod end too; all data are there next time; W SIGTERM T status 0."""
    crew.served.ask(CREATE, id="kept")
    family = crew.parent.children(recursive=True)
    assert len(family) == WORKERS + 1
    crew.served.process.kill()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    again = Crew(Served(crew.served.out.parent, workers=str(WORKERS)))
    family = again.parent.children(recursive=True)
    again.served.key = crew.served.key
    try:
        assert again.served.ask(COUNT)["totalCount"] == 1
    finally:
        began = time.monotonic()
        status = again.served.end(signal.SIGTERM)
    assert (status, time.monotonic() - began < 10) == (0, True)
    assert [one for one in family if one.is_running()] == []
    assert "Traceback" not in again.served.text()
