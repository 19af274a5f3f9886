"""`profiles import` and `profiles worker` as people use them, against a serving process."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from app.web.uploads import UPLOAD_BYTES_MAX
from tests.mongo.real import RealMongo
from tests.system.conftest import Start
from tests.system.nursery import nursery
from tests.system.process import SECONDS, Served, environment, profiles

PEOPLE = """First name,E-mail,Born,City
Ann,ann@b.example,04/05/1980,Graz
Bob,none,05/06/1981,=1
Eve,eve@b.example,07/08/1982,Zagreb
"""
STATES = "{ imports { nodes { id state tag duplicates personType target counts { processed } } } }"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give a service in memory."""
    one = Served(tmp_path_factory.mktemp("serve"), embedded="memory", rate_limit="0")
    yield one
    one.end()


class Command:
    """A command of one's own file and service, that may be asked and answered."""

    def __init__(self, home: Path, served: Served, text: str, name: str = "people.csv") -> None:
        (home / name).write_text(text)
        self.home = home
        self.all = [sys.executable, "-m", "app.cli", "import", name, "--url", served.url, "--key", served.key]
        self.env = environment()

    def run(self, *options: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Run it to its end, with something to read on its standard input where anything is said."""
        if not said:
            return profiles(*self.all[3:], *options, cwd=self.home)
        return subprocess.run(
            [*self.all, *options],
            cwd=self.home,
            env=self.env,
            input=said,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def begin(self, *options: str, err: Any = subprocess.PIPE) -> "subprocess.Popen[str]":
        """Begin it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*self.all, *options], cwd=self.home, env=self.env, stdin=pipe, stdout=pipe, stderr=err, text=True
        )


def waited(look: Callable[[], Any]) -> Any:
    """Return what somebody waits for."""
    until = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def heard(said: Path, words: str, count: int = 1) -> None:
    """Wait until the command has said something so often."""
    waited(lambda: said.read_text().count(words) >= count)


def newest(served: Served) -> dict[str, Any]:
    """Return the newest import."""
    one: dict[str, Any] = served.ask(STATES)["nodes"][0]
    return one


@pytest.mark.parametrize(("more", "status"), [(0, 201), (1, 413)])
def test_the_largest_file_comes_in_over_the_network(served: Served, more: int, status: int) -> None:
    """To the byte, whether its length is told beforehand or not; then the connection serves on."""
    headers = {"Authorization": f"Bearer {served.key}"}

    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            yield b"a" * 2**20
        yield b"a" * more

    with httpx.Client(base_url=served.url, headers=headers, timeout=SECONDS) as client:
        for told in ({}, {"Content-Length": str(UPLOAD_BYTES_MAX + more)}):
            answer = client.post("/uploads", content=pieces(), headers=told)
            assert answer.status_code == status
            assert ("ZIP" in answer.text) is (status == 413)
        assert client.get("/livez").status_code == 200


def test_suggestions_are_shown_and_asked(served: Served, tmp_path: Path) -> None:
    """No, or nobody there: nothing is imported. Yes: what failed is told, and kept in a file."""
    command = Command(tmp_path, served, PEOPLE.replace("04/05/1980", "24/05/1980"))
    for said in ("n\n", ""):
        done = command.run(said=said)
        assert (done.returncode, done.stdout) == (1, "Stopped: nothing was imported.\n")
        assert "First name" in done.stderr
        assert "firstName" in done.stderr
        assert newest(served)["state"] == "CANCELLED"
    done = command.run("--errors", "out.csv", "--tag", "Spring", said="y\n")
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("DONE_WITH_ERRORS: 3 of 3 rows\n")
    assert "E-mail: This is not an email address." in done.stdout
    kept = (tmp_path / "out.csv").read_text("utf-8-sig")
    assert kept.splitlines()[1].startswith('"Bob","none","05/06/1981","\'=1"')
    assert newest(served)["tag"] == "Spring"
    assert not list(tmp_path.glob("*.part"))


def test_a_mapping_is_not_asked(served: Served, tmp_path: Path) -> None:
    """By columns and fields, with a format where dates leave it open; a dry run writes nothing."""
    command = Command(tmp_path, served, PEOPLE.replace("none", "bob@b.example").replace("Born", "a=b"))
    fields = ("--map", "E-mail=email", "--map", "a=b=birthDate:DD/MM/YYYY")
    done = command.run(*fields, "--dry-run", "--json", "--no-tag", "--type", "customer", "--duplicates", "skip")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["counts"]["processed"], told["mapping"][1]["format"]) == ("CHECKED", 3, "DD/MM/YYYY")
    wanted = {"tag": None, "duplicates": "SKIP", "personType": "CUSTOMER", "target": "PERSON"}
    assert {name: told[name] for name in wanted} == wanted
    done = command.run("--map", "City=name", "--target", "company", "--yes")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "DONE: 3 of 3 rows"), done.stderr
    done = command.run("--map", "E-mail=email", "--map", "a=b=birthDate")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_bad_usage_and_bad_keys_have_their_status(served: Served, tmp_path: Path) -> None:
    """2 for what can't be meant, 1 for what the service refuses, one line each."""
    command = Command(tmp_path, served, PEOPLE)
    bad = (("--map", "x"), ("--type", "lead", "--target", "company"), ("--tag", "a", "--no-tag"), ("--target", "pet"))
    assert [command.run(*options).returncode for options in bad] == [2] * len(bad)
    assert profiles("import", "nothing.csv", "--key", "x", cwd=tmp_path).returncode == 2
    assert profiles("import", "people.csv", cwd=tmp_path).returncode == 2
    for options, words in (
        (("--key", "wrong"), "UNAUTHENTICATED: This needs a valid API key.\n"),
        (("--map", "x=email"), "The file has no column 'x'.\n"),
        (("--url", "http://127.0.0.1:1"), "http://127.0.0.1:1 does not answer (ConnectError).\n"),
    ):
        done = command.run(*options)
        assert (done.returncode, done.stderr) == (1, words)
    done = Command(tmp_path, served, "\n", "empty.csv").run("--yes")
    assert (done.returncode, done.stderr) == (1, "The file is empty.\n")


@pytest.mark.parametrize(
    ("path", "words"),
    [("away/out.csv", "can't be written"), ("people.csv/out.csv", "can't be written"), (".", "folder")],
)
def test_where_no_file_can_be_written_nothing_begins(served: Served, tmp_path: Path, path: str, words: str) -> None:
    """W failed rows are wanted where there is no folder, or a folder T it is bad usage, and no import is made."""
    before = served.ask(STATES)
    done = Command(tmp_path, served, PEOPLE).run("--errors", path, "--map", "E-mail=email")
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert served.ask(STATES) == before
    assert [one.name for one in tmp_path.iterdir()] == ["people.csv"]


def test_ctrl_c_asks_whether_to_cancel(served: Served, tmp_path: Path) -> None:
    """No lets it go on, yes ends it behind the rows it is at; a second ctrl-C leaves it to itself."""
    many = "email\n" + "".join(f"m{number}@b.example\n" for number in range(30_000))
    command = Command(tmp_path, served, many)
    said = tmp_path / "said"
    with said.open("w") as err, command.begin("--yes", "--no-tag", "--json", err=err) as running:
        waited(lambda: newest(served)["state"] == "RUNNING" and newest(served)["counts"]["processed"])
        assert running.stdin is not None
        for count, answer, then in ((1, "n", "It goes on."), (2, "y", "")):
            running.send_signal(signal.SIGINT)
            heard(said, "Cancel the import?", count)
            running.stdin.write(f"{answer}\n")
            running.stdin.flush()
            heard(said, then)
        out, _ = running.communicate(timeout=SECONDS)
        assert (running.returncode, json.loads(out)["state"]) == (1, "CANCELLED"), said.read_text()
    with said.open("w") as err, command.begin("--yes", "--no-tag", err=err) as running:
        waited(lambda: newest(served)["state"] == "RUNNING")
        running.send_signal(signal.SIGINT)
        heard(said, "Cancel the import?")
        running.send_signal(signal.SIGINT)
        # Not before: an end of input would be an answer as well.
        running.wait(timeout=SECONDS)
        out, _ = running.communicate(timeout=SECONDS)
        assert (running.returncode, out) == (1, "")
    one = newest(served)
    assert said.read_text().endswith(f"Import {one['id']} goes on without you.\n")
    served.ask("mutation($id: ID!) { cancelImport(id: $id) { errors { code } } }", id=one["id"])


class Working(Served):
    """A worker beside a service."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.out = home / f"worker-{time.monotonic_ns()}.log"
        self.out.touch()
        self.process = nursery().begin(["worker"], home, environment(log="json", **settings), self.out, self.out)
        self.wait_for(r"(Works on imports and synchronizations of .* until ctrl-C\.)\n")


async def test_a_worker_goes_on_with_imports_and_gives_them_back(
    start: Start, mongo: RealMongo, tmp_path: Path
) -> None:
    """What a service had begun is done by a worker; told to stop, it leaves it to the next one."""
    if mongo.missing:
        pytest.skip(mongo.missing)
    where = {"mongo_url": await mongo.url(), "mongo_database": "worker_test", "rate_limit": "0"}
    client: MongoClient[dict[str, Any]] = MongoClient(where["mongo_url"], tz_aware=False)
    jobs = client["worker_test"]["imports"]
    client.drop_database("worker_test")
    try:
        served = start(**where)
        many = "email\n" + "".join(f"m{number}@b.example\n" for number in range(10_000))
        running = Command(tmp_path, served, many).begin("--yes")
        waited(lambda: jobs.find_one({"state": "RUNNING", "counts.processed": {"$gt": 0}}))
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert served.end() == 0
        before = waited(lambda: jobs.find_one({"state": "RUNNING"}))["counts"]["processed"]
        worker = Working(tmp_path, **where)
        waited(lambda: jobs.find_one({"counts.processed": {"$gt": before}}))
        began = time.monotonic()
        assert worker.end() == 0
        assert time.monotonic() - began < 10
        one = jobs.find_one({"state": {"$exists": True}})
        assert one is not None
        if one["state"] == "RUNNING":
            assert one["due"] <= datetime.utcnow()  # noqa: DTZ003 - as the store has it
            worker = Working(tmp_path, **where)
            waited(lambda: jobs.find_one({"state": "DONE"}))
            assert worker.end(signal.SIGINT) == 0
        done = jobs.find_one({"state": "DONE"})
        assert done is not None
        assert (done["counts"]["processed"], done["counts"]["created"]) == (10_000, 10_000)
    finally:
        client.drop_database("worker_test")
        client.close()


def test_a_worker_needs_a_store_that_others_have(tmp_path: Path) -> None:
    """In words, at once."""
    done = profiles("worker", cwd=tmp_path, embedded="memory")
    words = "All data are in memory, where no other process finds them: name a store.\n"
    assert (done.returncode, done.stderr) == (1, words)
    done = profiles("worker", cwd=tmp_path)
    words = "No service runs here. Start it first, or name its store by PROFILES_MONGO_URL.\n"
    assert (done.returncode, done.stderr) == (1, words)
