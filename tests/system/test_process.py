"""One process and two: started, asked, stopped, killed; what was acknowledged is there afterwards."""

import asyncio
import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
import websockets

from tests.mongo.real import RealMongo
from tests.system.conftest import Start
from tests.system.follower import Follower
from tests.system.process import profiles

CREATE = """mutation($id: String!) {
  createPerson(input: {externalId: $id, tags: ["kept"]}) { person { id } errors { code } }
}"""
COUNT = '{ persons(filter: {tags: {has: "kept"}}) { totalCount } }'
FIND = "query($id: String!) { person(by: {externalId: $id}) { id timeline { nodes { type } } } }"
KEY = "k" * 40


def test_data_survive_a_clean_stop(start: Start) -> None:
    """W SIGTERM and a second start T status 0 within 10 s, everything is there, and no second key is made."""
    served = start()
    key = served.key
    made = served.ask(CREATE, id="a")
    began = time.monotonic()
    assert served.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 10
    again = start()
    assert again.key == ""
    again.key = key
    assert again.ask(FIND, id="a") == {"id": made["person"]["id"], "timeline": {"nodes": [{"type": "personCreated"}]}}
    assert again.end(signal.SIGINT) == 0
    assert not [
        one for one in psutil.process_iter(["cmdline"]) if str(again.out.parent) in " ".join(one.info["cmdline"] or [])
    ]


@pytest.mark.often
def test_nothing_acknowledged_is_lost_by_kill_9(start: Start) -> None:
    """W kill -9 in the middle of writes T all that was acknowledged is there, once."""
    served = start(rate_limit="0")
    acknowledged: list[str] = []

    def write(worker: int) -> None:
        for number in range(10_000):
            try:
                made = served.ask(CREATE, id=f"{worker}-{number}")
            except (httpx.HTTPError, AssertionError):
                return
            acknowledged.append(made["person"]["id"])
            if len(acknowledged) == 200:
                served.process.kill()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    key = served.key
    again = start(rate_limit="0")
    again.key = key
    ids = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    found = again.ask(ids, ids=acknowledged)
    assert [one["id"] for one in found] == acknowledged
    # What was not acknowledged is there whole or not at all.
    total = again.ask(COUNT)["totalCount"]
    assert len(acknowledged) <= total <= len(acknowledged) + 8


async def test_two_processes_are_one_service(start: Start, mongo: RealMongo) -> None:
    """L2, L3 over the network: an event of one reaches followers of the other, who may come back to either."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    shared = {"mongo_url": await mongo.url(), "mongo_database": f"system_{os.getpid()}", "admin_key": KEY}
    one, two = await asyncio.gather(*[asyncio.to_thread(start, **shared) for _ in range(2)])
    follower = Follower(two, KEY)
    await follower.begin()
    assert (await follower.next())["kind"] == "READY"
    await asyncio.to_thread(one.ask, CREATE, id="x")
    update = await follower.next()
    assert update["person"] == {"externalId": "x"}
    status = await asyncio.to_thread(two.end, signal.SIGTERM)
    assert status == 0
    with pytest.raises(websockets.ConnectionClosed) as closed:
        await follower.socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    await asyncio.to_thread(one.ask, CREATE, id="y")
    again = Follower(one, KEY)
    await again.begin(update["cursor"])
    assert (await again.next())["kind"] == "READY"
    assert (await again.next())["person"] == {"externalId": "y"}
    # A key that one process revokes closes the sockets of the other.
    three = await asyncio.to_thread(start, **shared)
    made = await asyncio.to_thread(
        one.ask, 'mutation { createApiKey(input: {name: "k", scopes: [PEOPLE_READ]}) { apiKey { id } secret } }'
    )
    watched = Follower(three, made["secret"])
    await watched.begin()
    assert (await watched.next())["kind"] == "READY"
    revoke = "mutation($id: ID!) { revokeApiKey(id: $id) { errors { code } } }"
    await asyncio.to_thread(one.ask, revoke, id=made["apiKey"]["id"])
    with pytest.raises(websockets.ConnectionClosed) as closed:
        async with asyncio.timeout(5):
            await watched.socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
    three.key = made["secret"]
    with pytest.raises(AssertionError, match="UNAUTHENTICATED"):
        await asyncio.to_thread(three.ask, "{ viewer { accountId } }")


def test_a_database_that_is_away_is_said_and_comes_back(start: Start) -> None:
    """W mongod stands still T UNAVAILABLE with retryAfter within the deadline, readyz 503; it recovers by itself."""
    served = start(rate_limit="0")
    served.ask(CREATE, id="before")
    (mongod,) = [one for one in psutil.Process(served.process.pid).children() if "mongod" in one.name()]
    mongod.suspend()
    try:
        headers = {"Authorization": f"Bearer {served.key}"}
        began = time.monotonic()
        response = httpx.post(f"{served.url}/graphql", json={"query": COUNT}, headers=headers, timeout=30)
        assert time.monotonic() - began < 12
        (error,) = response.json()["errors"]
        assert (response.status_code, error["extensions"]["code"]) == (503, "UNAVAILABLE")
        assert error["extensions"]["retryAfter"] >= 1
        assert int(response.headers["retry-after"]) >= 1
        assert httpx.get(f"{served.url}/readyz", timeout=5).status_code == 503
        assert httpx.get(f"{served.url}/livez", timeout=5).status_code == 200
    finally:
        mongod.resume()
    until = time.monotonic() + 30
    while httpx.get(f"{served.url}/readyz", timeout=5).status_code != 200:
        assert time.monotonic() < until
    assert served.ask(CREATE, id="after")["errors"] == []


def test_logs_name_the_request_and_never_a_value_or_a_key(start: Start) -> None:
    """Structured logs: request id, account, operation name; nothing of a profile, no key, no traceback."""
    served = start(embedded="memory")
    assert "Nothing is kept" in served.text()
    served.ask(
        'mutation Secretive { createPerson(input: {firstName: "Zebedee", externalId: "hidden-1"}) { errors { code } } }'
    )
    served.end()
    text = served.text()
    entries = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    (entry,) = [one for one in entries if one.get("operation") == "Secretive"]
    assert (entry["status"], entry["kind"], bool(entry["request_id"]), bool(entry["account"])) == (
        200,
        "mutation",
        True,
        True,
    )
    after = text.split("shown this once")[1]
    assert "Zebedee" not in after
    assert "hidden-1" not in after
    assert served.key not in after
    assert "Traceback" not in text


def test_the_command_line_makes_accounts_and_keys_beside_the_service(start: Start, tmp_path: Path) -> None:
    """Accounts and keys from a shell, while the service runs on the same private mongod."""
    served = start()
    made = profiles("accounts", "create", "Shop", "--json", cwd=tmp_path)
    account = json.loads(made.stdout)
    assert sorted(account) == ["id", "key", "name"]
    listed = json.loads(profiles("accounts", "list", "--json", cwd=tmp_path).stdout)
    assert [one["name"] for one in listed] == ["default", "Shop"]
    options = ["--account", account["id"], "--name", "web", "--scope", "PEOPLE_READ", "--scope", "WEB_SDK"]
    key = json.loads(profiles("keys", "create", *options, "--json", cwd=tmp_path).stdout)
    assert key["scopes"] == ["PEOPLE_READ", "WEB_SDK"]
    assert len(key["identitySecret"]) == 64
    served.key = key["key"]
    assert served.ask("{ viewer { accountName } }") == {"accountName": "Shop"}
    revoked = profiles("keys", "revoke", key["id"], cwd=tmp_path)
    assert revoked.stdout == f"{key['id']} is revoked.\n"
    with pytest.raises(AssertionError, match="UNAUTHENTICATED"):
        served.ask("{ viewer { accountName } }")
    shown = profiles("keys", "list", "--account", account["id"], cwd=tmp_path).stdout
    assert "revoked" in shown
    assert account["key"] not in shown


BAD: list[tuple[list[str], dict[str, str], int, str]] = [
    (["serve", "--port", "99999"], {}, 2, "port"),
    (["serve", "--nope"], {}, 2, "nope"),
    (["nope"], {}, 2, "nope"),
    (["config"], {"prot": "1"}, 1, "PROFILES_PROT is not a setting; did you mean PROFILES_PORT?"),
    (["serve"], {"port": "many"}, 1, "PROFILES_PORT"),
    (["serve"], {"admin_key": "short"}, 1, "at least 32"),
    (["serve"], {"mongo_url": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"}, 1, ""),
    (["accounts", "create", " "], {"embedded": "memory"}, 1, "can't be empty"),
    (["keys", "revoke", "key_x"], {"embedded": "memory"}, 1, "no such key"),
    (["keys", "create", "--account", "acc_x", "--name", "n", "--scope", "ADMIN"], {"embedded": "memory"}, 1, "acc_x"),
    (["demo", "--url", "http://127.0.0.1:1", "--key", "k"], {}, 1, "does not answer"),
    (["schema", "--check", "nowhere.graphql"], {}, 1, ""),
]


@pytest.mark.parametrize(("arguments", "settings", "status", "said"), BAD)
def test_bad_usage_is_one_line_and_a_status(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], status: int, said: str
) -> None:
    """Errors go to stderr in one line and exit 1, bad usage exits 2, no traceback."""
    done = profiles(*arguments, cwd=tmp_path, **settings)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert status == 2 or len(done.stderr.splitlines()) <= 1


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """The line names the address and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = profiles("serve", "--port", str(taken.getsockname()[1]), cwd=tmp_path, embedded="memory")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "Choose another --port" in done.stderr


def test_settings_are_shown_with_secrets_hidden(tmp_path: Path) -> None:
    """`profiles config`."""
    done = profiles("config", "--json", cwd=tmp_path, admin_key="s" * 40, secret="very secret", port="9001")
    shown = json.loads(done.stdout)
    assert (shown["PROFILES_PORT"], shown["PROFILES_ADMIN_KEY"], shown["PROFILES_SECRET"]) == (
        9001,
        "********",
        "********",
    )
    assert "PROFILES_PORT=9001" in profiles("config", cwd=tmp_path, port="9001").stdout


def test_the_schema_is_what_the_file_says(tmp_path: Path) -> None:
    """`profiles schema` and its check."""
    text = profiles("schema", cwd=tmp_path).stdout
    (tmp_path / "kept.graphql").write_text(text)
    assert profiles("schema", "--check", "kept.graphql", cwd=tmp_path).returncode == 0
    (tmp_path / "kept.graphql").write_text(text.replace("type Person ", "type Human "))
    changed = profiles("schema", "--check", "kept.graphql", cwd=tmp_path)
    assert (changed.returncode, "-type Human" in changed.stdout) == (1, True)
