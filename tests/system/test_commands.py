"""The command line for people: what it prints, and that it stops when it is told to."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from app.mongo.private import running
from tests.system.conftest import Start
from tests.system.nursery import nursery
from tests.system.process import environment, profiles


def test_accounts_and_keys_are_printed_for_people(start: Start, tmp_path: Path) -> None:
    """Without `--json`: one line each, a key once."""
    start()
    made = profiles("accounts", "create", "Shop", cwd=tmp_path).stdout
    found = re.fullmatch(r"Account +(acc_\w+)\nAdmin key +(cp_live_\w+)\n +shown this once\n", made)
    assert found, made
    listed = profiles("accounts", "list", cwd=tmp_path).stdout
    assert [line.split()[0] for line in listed.splitlines()][1:] == [found[1]]
    web = profiles("keys", "create", "--account", found[1], "--name", "web", "--scope", "WEB_SDK", cwd=tmp_path).stdout
    assert re.match(r"Key +cp_live_\w+\n +shown this once\nIdentity secret +[0-9a-f]{64}\n", web), web
    shown = profiles("keys", "list", "--account", found[1], "--json", cwd=tmp_path).stdout
    assert found[2] not in shown
    (key,) = [one["id"] for one in json.loads(shown) if one["name"] == "web"]
    assert '"revokedAt"' in profiles("keys", "revoke", key, "--json", cwd=tmp_path).stdout
    bad = profiles("keys", "create", "--account", found[1], "--name", " ", "--scope", "WEB_SDK", cwd=tmp_path)
    assert (bad.returncode, bad.stderr) == (1, "A name can't be empty.\n")


def test_the_demo_fills_another_service_until_it_is_told_to_stop(start: Start, tmp_path: Path) -> None:
    """`profiles demo` needs a key; it goes on until ctrl-C, and says so."""
    assert profiles("demo", cwd=tmp_path).returncode == 2
    served = start(embedded="memory", rate_limit="0")
    command, said = ["demo", "--url", served.url, "--key", served.key, "--rate", "500"], tmp_path / "demo.log"
    running = nursery().begin(command, tmp_path, environment(), said, said)
    count = "{ persons(filter: {createdFrom: API, type: LEAD, externalId: {exists: false}}) { totalCount } }"
    until = time.monotonic() + 60
    # Leads without an external id come only with the activity that follows the sample data.
    while running.poll() is None and served.ask(count)["totalCount"] < 3:
        assert time.monotonic() < until, (tmp_path / "demo.log").read_text()
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=20) == 0, (tmp_path / "demo.log").read_text()
    assert (tmp_path / "demo.log").read_text().endswith("Stopped.\n")


def test_the_demo_says_what_stops_it(start: Start, tmp_path: Path) -> None:
    """A key that may not write is named by its code."""
    served = start(embedded="memory")
    made = served.ask('mutation { createApiKey(input: {name: "r", scopes: [PEOPLE_READ]}) { secret } }')
    done = profiles("demo", "--url", served.url, "--key", made["secret"], cwd=tmp_path)
    assert (done.returncode, done.stderr[:9]) == (1, "FORBIDDEN"), done.stderr


def test_a_start_can_be_interrupted(tmp_path: Path) -> None:
    """A signal while the store still opens ends the process with status 0, and nothing stays behind."""
    env = environment(data_dir=str(tmp_path / "data"))
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    running = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until = time.monotonic() + 30
    while running.poll() is None and not (tmp_path / "data").exists():
        assert time.monotonic() < until
    os.kill(running.pid, signal.SIGTERM)
    said, _ = running.communicate(timeout=20)
    assert (running.returncode, b"Traceback" in said) == (0, False), said


def test_the_check_says_what_is_wrong_and_mends_it(start: Start, tmp_path: Path) -> None:
    """Beside a running service; it exits 1 as long as something is wrong."""
    served = start()
    served.ask('mutation { createPerson(input: {emails: [{address: "a@b.cd"}]}) { errors { code } } }')
    assert profiles("check", cwd=tmp_path).stdout == "Nothing is wrong.\n"
    url = re.search(r"mongodb://\S+", str(running(tmp_path / ".profiles")))
    assert url is not None
    with MongoClient[dict[str, Any]](url[0]) as client:
        client.profiles.claims.delete_many({"_id": {"$regex": r"\|email\|"}})
        client.profiles.persons.drop_index("account_1_words_1__id_1")
    done = profiles("check", cwd=tmp_path)
    assert (done.returncode, [line.split()[0] for line in done.stdout.splitlines()]) == (
        1,
        ["MISSING_INDEX", "MISSING_CLAIM", "2"],
    )
    assert "a@b.cd" not in done.stdout
    mended = profiles("check", "--repair", "--json", cwd=tmp_path)
    assert (mended.returncode, [one["mended"] for one in json.loads(mended.stdout)]) == (0, [True, True])
    assert profiles("check", "--json", cwd=tmp_path).stdout == "[]\n"
