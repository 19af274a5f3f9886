"""One scrape of several workers: each family once, each series with its worker, and who is silent is said."""

import socket
import time

from prometheus_client.parser import text_string_to_metric_families as families

from app.core.tally import Tally
from app.web.metrics import Metrics
from app.web.siblings import ANSWER_SECONDS, Siblings, merged


def answering() -> socket.socket:
    """Return a socket as a parent makes it."""
    one = socket.socket(socket.AF_UNIX)
    one.bind("")
    one.listen()
    return one


def asked() -> Tally:
    """Return a query that was asked."""
    tally = Tally(0.0)
    tally.kind = "query"
    return tally


async def test_a_scrape_of_one_tells_of_all() -> None:
    """Counts of each by its number; one who does not answer is down, and holds up nobody for long."""
    doors = [answering() for _ in range(3)]
    addresses = [one.getsockname() for one in doors]
    crew = []
    for number in (1, 2):
        metrics = Metrics()
        metrics.name(number)
        for _ in range(number):
            metrics.answered(asked(), 200, (), 0.01)
        siblings = Siblings(number, doors[number - 1], addresses)
        await siblings.begin(metrics.text)
        crew.append(siblings)
    began = time.monotonic()
    text = (await crew[0].all()).decode()
    assert time.monotonic() - began < ANSWER_SECONDS + 2
    found = {one.name: one for one in families(text)}
    counts = {one.labels["worker"]: one.value for one in found["profiles_requests"].samples}
    assert counts == {"1": 1, "2": 2}
    up = {one.labels["worker"]: one.value for one in found["profiles_worker_up"].samples}
    assert up == {"1": 1, "2": 1, "3": 0}
    assert text.count("# TYPE profiles_requests_total counter") == 1
    assert len([one for one in found["profiles_request_seconds"].samples if one.name.endswith("_sum")]) == 2
    for one in crew:
        one.end()
    doors[2].close()
    # Nobody listens any more: that is told at once.
    assert b'profiles_worker_up{worker="1"} 0.0' in await crew[1].all()


def test_what_a_label_says_takes_no_family_apart() -> None:
    """Its value may be anything that a client wrote."""
    one = Metrics()
    one.watch_counts("odd", "Odd.", ("said",), lambda: {("a\n# HELP b",): 1})
    text = merged([one.text(), one.text()]).decode()
    (family,) = [each for each in families(text) if each.name == "odd"]
    assert [each.labels["said"] for each in family.samples] == ["a\n# HELP b"] * 2
