"""Profiles by an identifier, for operations that have no task: the claim, then whoever owns it."""

from asyncio import Future, get_running_loop

from app.claims.service import Claims
from app.core.errors import Fault
from app.core.tally import Tally
from app.mongo.coalesce import Reads
from app.mongo.engine import Document

Read = Future[Document | Exception | None]


def nobody() -> Read:
    """Return what holds no document."""
    found: Read = get_running_loop().create_future()
    found.set_result(None)
    return found


def owner(claims: Claims, profiles: Reads, key: str, tally: Tally) -> Read:
    """Return what will hold the document of whoever owns an identifier, or why it could not be read."""
    found: Read = get_running_loop().create_future()

    def end(read: Read) -> None:
        if not read.cancelled() and not found.done():
            found.set_result(read.result())

    def go_on(read: Read) -> None:
        claim = None if read.cancelled() else read.result()
        if claim is None or isinstance(claim, Exception):
            end(read)
            return
        try:
            profiles.ask(claim["owner"], tally).add_done_callback(end)
        except Fault as fault:
            found.set_result(fault)

    claims.ask(key, tally).add_done_callback(go_on)
    return found
