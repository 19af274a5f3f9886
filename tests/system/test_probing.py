"""Somebody with the key of a website asks for persons by identifying as them: nothing of the answer tells."""

import time

import httpx

from tests import api as apis
from tests.system.conftest import Start

PROBES = 200
TICK_SECONDS = 0.025
UPSERT = "mutation($rows: [CreatePersonInput!]!) { upsertPersons(persons: $rows) { results { status } } }"


def test_two_hundred_identifies_of_known_and_unknown_emails_look_the_same(start: Start) -> None:
    """Same bytes, same headers, no answer before its tick; whether times differ is measured by `benchmarks/wire`."""
    served = start(embedded="mongod")
    known = [f"known{number}@example.com" for number in range(PROBES // 2)]
    rows = [{"type": ("LEAD", "CUSTOMER")[index % 2], "emails": [{"address": one}]} for index, one in enumerate(known)]
    assert {one["status"] for one in served.ask(UPSERT, rows=rows)["results"]} == {"CREATED"}
    emails = [one for pair in zip(known, [f"un{one}" for one in known], strict=True) for one in pair]
    answers = set()
    with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {served.key}"}) as browser:
        for number, email in enumerate(emails):
            began = time.perf_counter()
            answer = browser.post("/v1/i", json={"anonymousId": f"p{number}", "traits": {"email": email}})
            assert time.perf_counter() - began >= TICK_SECONDS - 0.001
            headers = tuple(pair for pair in answer.headers.multi_items() if pair[0] != "date")
            answers.add((answer.status_code, answer.content, headers))
    assert len(answers) == 1
    assert served.ask(apis.FIND, by={"email": emails[-1]})["type"] == "LEAD"
    assert served.ask("{ persons { totalCount } }")["totalCount"] == PROBES
