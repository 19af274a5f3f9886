"""The guide's page about the wire is true: its messages are taken, its token is good."""

import re
from typing import Any

import orjson

from app.core import clock
from app.identity.tokens import read
from tests.api import Api
from tests.test_docs import GUIDE

BLOCK = re.compile(r"```(graphql|json|python)(?: (\S+))?\n(.*?)```", re.DOTALL)


async def test_every_example_of_the_wire_runs(api: Api) -> None:
    """One block after the other, with the key that the first one makes; nothing is rejected."""
    made: dict[str, Any] = {}
    for language, path, text in BLOCK.findall(GUIDE["web-tracking"]):
        if language == "graphql":
            made |= (await api.post(text)).json()["data"].get("createApiKey", {})
        elif language == "json":
            body = orjson.loads(text.replace("<key>", made["secret"]))
            answer = await api.http.post(path, json=body)
            assert (answer.status_code, answer.json()) == (200, {"success": True})
        else:
            told = {"account_id": api.account, "identity_secret": made["identitySecret"]}
            exec(text, told)  # noqa: S102 - our own page
            proof = read(told["token"], made["identitySecret"], api.account, clock.now())
            assert proof is not None
            assert proof.locator.value == "ana@example.com"
    assert made["identitySecret"]
