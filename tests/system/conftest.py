"""Processes for the tests, none of which outlives its test."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mongo.real import RealMongo
from tests.system.process import Served

Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path, mongo: RealMongo) -> Iterator[Start]:
    """Start serving processes in a directory of their own, by default on a private mongod there."""
    started: list[Served] = []

    def begin(*arguments: str, **settings: str) -> Served:
        if mongo.missing and settings.get("embedded") != "memory":
            pytest.skip(mongo.missing)
        started.append(Served(tmp_path, *arguments, **settings))
        return started[-1]

    yield begin
    for one in started:
        one.end(signal.SIGTERM)
