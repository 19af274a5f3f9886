"""Calls of a CRM over real HTTP: bounded, tried again as long as it says, never done twice where that does harm."""

import asyncio
import gzip
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import JSONResponse, Response, StreamingResponse

from app.sync import wire as module
from app.sync.crm import Away, Credentials, CrmError, Denied, Limited
from app.sync.wire import IMPATIENT, MESSAGE_CHARACTERS, PATIENT, Patience, Reply, Token, Wire, cut, said
from tests.chances import few
from tests.sync.made import SECRET, Answer, Line, bearing, chain, halved, ok, raw, status

TRIES = 8


async def outcome(*answers: Answer, safe: bool = True, patience: Patience = PATIENT) -> tuple[Reply | CrmError, int]:
    """Return what becomes of a call, and how often the CRM was asked."""
    line = Line(answers)
    async with line.open(patience) as wire:
        try:
            reply: Reply | CrmError = await wire.call("POST", "/x", json={"a": 1}, safe=safe)
        except CrmError as error:
            reply = error
    return reply, len(line.asked)


async def test_an_answer_is_what_the_crm_said() -> None:
    """Its status, headers by small letters, its JSON; an error code is no error of ours."""
    reply, asked = await outcome(JSONResponse({"ä": [1]}, 404, headers={"X-More": "y"}))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body, reply.headers["x-more"], asked) == (404, {"ä": [1]}, "y", 1)
    empty, _ = await outcome(status(204))
    assert isinstance(empty, Reply)
    assert (empty.status, empty.body, empty.data) == (204, None, b"")


PASSING: dict[str, Answer] = {
    "429": status(429),
    "429 in seconds": status(429, retry_after="7"),
    "429 at once": status(429, retry_after="0"),
    "503 that says when": status(503, retry_after="7"),
}
BREAKING: dict[str, Answer] = {
    "500": status(500),
    "502": raw(b"<html>", "text/html", 502),
    "503": status(503),
    "503 that says nonsense": status(503, retry_after="soon"),
    "garbage": raw(b"<html>", "text/html"),
    "no kind": Response(b"{}"),
    "broken JSON": raw(b'{"a": '),
    "no UTF-8": raw(b'{"a": "\xff"}'),
    "NaN": raw(b'{"a": NaN}'),
    "deep JSON": raw(b"[" * 100_000),
    "broken gzip": raw(b"{}", packed="gzip"),
    "no answer": "hang up",
}


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("name", PASSING)
async def test_who_asks_to_wait_did_nothing(name: str, safe: bool) -> None:  # noqa: FBT001 - a parameter
    """So every call is tried again, and told only where that goes on."""
    reply, asked = await outcome(*[PASSING[name]] * 3, ok(), safe=safe)
    assert isinstance(reply, Reply)
    assert asked == 4
    error, asked = await outcome(PASSING[name], safe=safe)
    assert isinstance(error, Limited)
    assert (error.seconds, asked) == (60, TRIES)


@pytest.mark.parametrize("name", BREAKING)
async def test_what_breaks_is_tried_again_where_that_does_no_harm(name: str) -> None:
    """Up to the end of our patience."""
    reply, asked = await outcome(BREAKING[name], BREAKING[name], ok())
    assert isinstance(reply, Reply)
    assert asked == 3
    error, asked = await outcome(BREAKING[name])
    assert isinstance(error, Away)
    assert (error.maybe, asked) == (False, TRIES)


@pytest.mark.parametrize("name", BREAKING)
async def test_what_may_have_been_done_is_not_done_again(name: str) -> None:
    """Whoever called has to look."""
    error, asked = await outcome(BREAKING[name], ok(), safe=False)
    assert isinstance(error, Away)
    assert (error.maybe, asked) == (True, 1)


@pytest.mark.parametrize("safe", [True, False])
async def test_who_was_never_reached_is_tried_again(safe: bool) -> None:  # noqa: FBT001 - a parameter
    """Nothing can have happened."""
    tries = 0

    async def nowhere(_: str, __: int) -> Sequence[str]:
        nonlocal tries
        tries += 1
        raise OSError

    async def token() -> Token:
        return Token("t", "https://org.example")

    wire = Wire(token, loopback=False, resolve=nowhere)
    with pytest.raises(Away, match="can't be reached") as away:
        await wire.call("POST", "/x", json={}, safe=safe)
    await wire.close()
    assert (away.value.maybe, tries) == (False, TRIES)


async def test_an_address_that_may_not_be_called_is_no_way_in() -> None:
    """It is told at once."""

    async def inside(_: str, __: int) -> Sequence[str]:
        return ["10.0.0.1"]

    async def token() -> Token:
        return Token("t", "https://org.example")

    wire = Wire(token, loopback=False, resolve=inside)
    with pytest.raises(Denied, match="not of the open internet"):
        await wire.call("GET", "/x")
    with pytest.raises(Denied, match="not a URL"):
        await wire.send("GET", "https://[")
    await wire.close()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "61"}, 61),
        ({"retry-after": " 3600 "}, 3600),
        ({"retry-after": "9" * 400}, 86_400),
        ({"retry-after": "Wed, 21 Oct 2015 08:28:00 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 3600),
        ({"retry-after": "Wed, 21 Oct 2015 10:28:00 +0200", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 3600),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400),
    ],
)
async def test_a_long_wait_is_the_whole_connections(headers: dict[str, str], seconds: float) -> None:
    """By the clock of the CRM, at most a day; nobody waits for it here."""
    error, asked = await outcome(Response(status_code=429, headers=headers))
    assert isinstance(error, Limited)
    assert (error.seconds, asked) == (seconds, 1)


async def test_who_has_little_patience_waits_no_longer_than_that() -> None:
    """Somebody looks at a screen meanwhile."""
    error, asked = await outcome(status(429, retry_after="21"), patience=IMPATIENT)
    assert isinstance(error, Limited)
    assert (error.seconds, asked) == (21, 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0.0), ("7", 7.0), ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0), ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0)),
        *(("", None), ("soon", None), ("-1", None), ("1.5", None), ("Wed, 99 Oct 2015 07:28:00 GMT", None)),
        *(("Wed, 01 Jan 99999999999999999999 00:00:00 GMT", None), ("Fri, 31 Dec 9999 23:59:59 -2359", None)),
    ],
)
def test_what_is_no_time_is_as_none(text: str, seconds: float | None) -> None:
    """Seconds or a date; behind us is now."""
    answer = httpx.Response(429, headers={"retry-after": text, "date": "Wed, 21 Oct 2015 07:28:00 GMT"})
    assert module._retry_after(answer) == seconds


@few(150)
@given(st.text("0123456789 ,:+-.GMTWedOct", max_size=40), st.text("0123456789 ,:+-GMTWedOct", max_size=40))
@example("0" * 5_000, "Mon, 01 Jan 2020 00:00:00 +99999999999999999")
def test_no_header_breaks_the_line(after: str, date: str) -> None:
    """Whatever a CRM or somebody between says."""
    answer = httpx.Response(429, headers={"retry-after": after, "date": date})
    seconds = module._retry_after(answer)
    assert seconds is None or 0 <= seconds <= 86_400
    assert Reply(200, answer.headers, b"", None).date.tzinfo is None


@pytest.mark.parametrize("safe", [True, False])
async def test_an_answer_has_a_size(monkeypatch: pytest.MonkeyPatch, safe: bool) -> None:  # noqa: FBT001
    """Also where it is packed; and what was asked for may have been done."""
    monkeypatch.setattr(module, "ANSWER_BYTES_MAX", 1024 * 1024)
    fits, _ = await outcome(raw(b'"' + b"x" * (1024 * 1024 - 2) + b'"'), safe=safe)
    assert isinstance(fits, Reply)
    large = b'"' + b"x" * (1024 * 1024) + b'"'
    for answer in (raw(large), raw(gzip.compress(large), packed="gzip")):
        error, asked = await outcome(answer, safe=safe)
        assert isinstance(error, Away)
        assert (error.message, error.maybe, asked) == ("The CRM answers with more than 1 MB.", not safe, 1)


@pytest.mark.parametrize(("bound", "pause"), [("READ_SECONDS", 60.0), ("ANSWER_SECONDS", 0.01)])
@pytest.mark.parametrize("safe", [True, False])
async def test_an_answer_has_a_time(monkeypatch: pytest.MonkeyPatch, bound: str, pause: float, *, safe: bool) -> None:
    """One that stops in the middle, and one that drips without end; it is asked for again where that does no harm."""
    monkeypatch.setattr(module, bound, 0.6)
    found, asked = await outcome(halved(pause), ok(), safe=safe)
    assert isinstance(found, Reply if safe else Away)
    assert asked == (2 if safe else 1)
    assert isinstance(found, Reply) or found.maybe


async def test_who_has_little_patience_reads_no_longer_than_that() -> None:
    """Each try ends with it."""
    error, asked = await outcome(halved(0.01), safe=False, patience=Patience(2, 0.6))
    assert isinstance(error, Away)
    assert (error.maybe, asked) == (True, 1)


async def test_half_a_character_is_no_reason_to_lose_a_page() -> None:
    """CRMs cut texts where they please; what looks like one is left as it is."""
    reply, asked = await outcome(raw(b'["Ann \\ud83d", "\\ud83d\\ude00", "\\\\ud83d", "\\ude00\\n\\""]'))
    assert isinstance(reply, Reply)
    assert (reply.body, asked) == (["Ann \ufffd", "\U0001f600", "\\ud83d", '\ufffd\n"'], 1)


# ------------------------------------------------------------ tokens


async def test_a_refused_token_is_renewed_once() -> None:
    """Then the call goes on, be it safe or not."""
    line = Line([bearing("2")])
    async with line.open() as wire:
        for _ in range(2):
            assert (await wire.call("POST", "/x", safe=False)).status == 200
    assert [token for _, _, token in line.asked] == [f"Bearer {SECRET}-{number}" for number in (1, 2, 2)]


async def test_who_refuses_every_token_does_not_let_us_in() -> None:
    """In the CRM's own words."""
    line = Line([JSONResponse([{"message": "Session expired", "errorCode": "INVALID_SESSION_ID"}], 401)])
    async with line.open() as wire:
        with pytest.raises(Denied, match="Session expired"):
            await wire.call("GET", "/x")
    assert (len(line.asked), len(line.tokens)) == (2, 2)


async def test_a_token_is_renewed_once_for_all_who_wait() -> None:
    """Also where each of them was refused."""
    line = Line([bearing("2")])
    async with line.open() as wire:
        replies = await asyncio.gather(*(wire.call("GET", "/x") for _ in range(8)))
    assert {one.status for one in replies} == {200}
    assert len(line.tokens) == 2


@pytest.mark.parametrize(("seconds", "tokens"), [(None, 1), (3600.0, 1), (61.0, 1), (59.0, 3), (0.0, 3)])
async def test_a_token_is_renewed_a_minute_before_it_ends(seconds: float | None, tokens: int) -> None:
    """One of which nobody says when it ends is kept until it is refused."""
    line = Line([ok()])
    line.seconds = seconds
    async with line.open() as wire:
        for _ in range(3):
            await wire.call("GET", "/x")
    assert len(line.tokens) == tokens


@pytest.mark.parametrize("value", [f"{SECRET}\n", f"{SECRET}é", f"{SECRET}\r\nX-More: y"])
async def test_a_token_that_is_no_header_is_told_and_not_repeated(value: str) -> None:
    """Whatever sends it would quote it in its own error."""
    line = Line([ok()])
    line.value = value
    async with line.open() as wire:
        with pytest.raises(Away) as away:
            await wire.call("GET", "/x")
    assert line.asked == []
    assert SECRET not in repr(chain(away.value))


# ------------------------------------------------------------ where, and how many


@pytest.mark.parametrize(
    "path",
    [
        *("https://evil.example/next", "//evil.example/next", "http://127.0.0.1:9/next", "next", "?page=2", ""),
        *("{base}.evil.example/next", "{base}@evil.example/next", "{secure}/next", "http://localhost/next"),
        *("https://xn--a/next", "mailto:x", "http://127.0.0.1\\@evil.example/"),
    ],
)
async def test_what_was_handed_out_stays_on_the_host(path: str) -> None:
    """Nobody else is asked with our token."""
    line = Line([ok()])
    async with line.open() as wire:
        url = path.format(base=line.base, secure=line.base.replace("http", "https"))
        # Two slashes are a path of the host here, and nothing else.
        if path.startswith("/"):
            await wire.call("GET", url)
            assert line.asked[0][1] == "//evil.example/next"
            return
        with pytest.raises((Away, Denied)):
            await wire.call("GET", url)
    assert line.asked == []


async def test_a_page_of_the_host_is_called_as_it_was_handed_out() -> None:
    """By its whole URL, or its path."""
    line = Line([ok()])
    async with line.open() as wire:
        for path in (f"{line.base}/next?a=b", "/next?a=b", f"{line.base.upper().replace('HTTP', 'http')}/next"):
            await wire.call("GET", path)
    assert {path for _, path, _ in line.asked} == {"/next"}


async def test_four_calls_go_at_once() -> None:
    """And the fifth as soon as one of them is over."""
    counts, there, go = Counter[str](), asyncio.Event(), asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        counts["open"] += 1
        counts["most"] = max(counts["most"], counts["open"])
        if counts["open"] == module.CALLS_AT_ONCE:
            there.set()
        yield b"["
        await go.wait()
        counts["open"] -= 1
        yield b"]"

    line = Line([lambda _: StreamingResponse(parts(), media_type="application/json")])
    async with line.open() as wire:
        calls = [asyncio.create_task(wire.call("GET", "/x")) for _ in range(12)]
        await there.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(line.asked) == module.CALLS_AT_ONCE
        go.set()
        assert {one.status for one in await asyncio.gather(*calls)} == {200}
    assert (counts["most"], len(line.asked)) == (4, 12)


# ------------------------------------------------------------ what is told


async def test_nothing_secret_is_ever_shown(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither by a repr, nor an error and what it came from, nor by any log, be it of a library."""
    caplog.set_level(logging.DEBUG)
    line = Line([status(401), status(401), raw(b"<", "text/html", 500), raw(b"{"), ok(), "hang up"])
    shown = [repr(Token(SECRET, "https://org.example")), str(Token(SECRET, "https://org.example"))]
    shown.append(repr(Credentials("https://org.example", "id", SECRET)))
    async with line.open() as wire:
        for number in range(4):
            form = {"client_secret": SECRET}
            try:
                reply = (
                    await wire.send("POST", f"{line.base}/x", form=form)
                    if number == 1
                    else await wire.call("GET", "/x")
                )
                shown.append(repr(reply))
            except CrmError as error:
                shown += [f"{one} {one!r}" for one in chain(error)]
        shown.append(repr(wire))
    shown.append(repr(Reply(200, {}, SECRET.encode(), {"access_token": SECRET})))
    assert len(line.asked) > TRIES
    assert caplog.records
    for text in (*shown, caplog.text, *capsys.readouterr()):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([{"message": "a", "errorCode": "X"}], "a"),
        ({"error": {"code": "0x1", "message": "a"}}, "a"),
        ({"error": "invalid_client", "error_description": "a"}, "a"),
        ({"error": "invalid_client"}, "invalid_client"),
        *((None, "no reason given."), ([], "no reason given."), ({}, "no reason given."), ("", "no reason given.")),
        *(({"error": {}}, "no reason given."), ({"message": ""}, "no reason given.")),
        ("a\x00\n\u202eb", "a   b"),
        ([["a"]], "['a']"),
        ({"message": "\ud83d" + "x" * 1000}, " " + "x" * (MESSAGE_CHARACTERS - 1)),
    ],
)
def test_a_crm_is_told_in_its_own_words(body: Any, words: str) -> None:
    """In whichever form it says them; cut, and as plain text."""
    assert said(body) == words
    assert len(cut("x" * 1000)) == MESSAGE_CHARACTERS
