"""Which addresses may be called: a table of hostile ones, and names that lead elsewhere a moment later."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from app.core import clock
from app.sync.guard import Guarded, Unsafe, checked, public
from app.sync.wire import Token, Wire
from tests.fakes.serving import served

GOOD = "93.184.216.34"
NO_URL, NO_USER, NO_HTTP, NO_PORT, NO_NUMBER = (
    "not a URL",
    "user name",
    "Only https",
    "Only port 443",
    "not by a number",
)
HOSTILE = {
    "": NO_URL,
    "org.example": NO_URL,
    "https:": NO_URL,
    "https://": NO_URL,
    "https:org.example": NO_URL,
    "https:///org.example": NO_URL,
    "https://?org.example": NO_URL,
    "//org.example": NO_HTTP,
    "http://org.example": NO_HTTP,
    "HTTP://org.example": NO_HTTP,
    "ftp://org.example": NO_HTTP,
    "file://org.example/etc/passwd": NO_HTTP,
    "gopher://org.example": NO_HTTP,
    "ws://org.example": NO_HTTP,
    "javascript://org.example": NO_HTTP,
    "https://user@org.example": NO_USER,
    "https://user:word@org.example": NO_USER,
    "https://:@org.example": NO_USER,
    "https://good.example@evil.example": NO_USER,
    "https://good.example:443@evil.example": NO_USER,
    "https://good.example\\@evil.example": NO_USER,
    "https://good.example%2f@evil.example": NO_USER,
    "https://org.example:80": NO_PORT,
    "https://org.example:0": NO_PORT,
    "https://org.example:27017": NO_PORT,
    "https://org.example:99999": NO_PORT,
    "https://org.example:https": NO_URL,
    "https://org.example:443:80": NO_URL,
    "https://localhost:8080": NO_PORT,
    "https://127.0.0.1": NO_NUMBER,
    "https://127.0.0.1.": NO_NUMBER,
    "https://127.1": NO_NUMBER,
    "https://0": NO_NUMBER,
    "https://2130706433": NO_NUMBER,
    "https://0x7f000001": NO_NUMBER,
    "https://0X7F000001": NO_NUMBER,
    "https://0x7f.1": NO_NUMBER,
    "https://0177.0.0.01": NO_URL,
    "https://017700000001": NO_NUMBER,
    "https://127.0x0.0x1": NO_NUMBER,
    "https://%31%32%37.0.0.1": NO_NUMBER,
    "https://127.0.0.1\N{IDEOGRAPHIC FULL STOP}": NO_NUMBER,
    "https://8.8.8.8": NO_NUMBER,
    "https://169.254.169.254/latest/meta-data": NO_NUMBER,
    "https://[::1]": NO_NUMBER,
    "https://[::]": NO_NUMBER,
    "https://[::ffff:169.254.169.254]": NO_NUMBER,
    "https://[::ffff:a9fe:a9fe]": NO_NUMBER,
    "https://[fe80::1%25eth0]": NO_NUMBER,
    "https://[2606:4700::1111]": NO_NUMBER,
    "https://[::1": NO_URL,
    "https://[v1.org]": NO_URL,
    "https://\uff11\uff12\uff17.0.0.1": NO_URL,
    "https://\u2460\u2461\u2466.0.0.1": NO_URL,
    "https://\u24d4xample.com": NO_URL,
    "https://localho\u017ft": NO_URL,
    "https://\u200borg.example": NO_URL,
    "https://xn--a": NO_URL,
    "https://xn--": NO_URL,
    "https://xn--\u00fc.example": NO_URL,
    "https://org.example\n": NO_URL,
    "https://org\r\n.example": NO_URL,
    "https://org.example/\x00": NO_URL,
    "https://org\t.example": NO_URL,
    "https://org .example": NO_URL,
    "https://org%00.example": NO_URL,
    "https://org..example": NO_URL,
    "https://.org.example": NO_URL,
    "https://.": NO_URL,
    "https://..": NO_URL,
    "https://*": NO_URL,
    "https://org.example;evil.example": NO_URL,
    "https://" + "a" * 64 + ".example": NO_URL,
    "https://" + "a." * 127 + "example": NO_URL,
    "https://org.example/" + "a" * 100_000: NO_URL,
}
# Each with the name that is asked for.
HARMLESS = {
    "https://org.example": "org.example",
    "https://ORG.Example:443/a?b=c#d": "org.example",
    "HTTPS://org.example./": "org.example.",
    "https://a_b.my-org.example": "a_b.my-org.example",
    "https://m\u00fcnchen.example": "xn--mnchen-3ya.example",
    "https://fa\u00df.example": "xn--fa-hia.example",
    "https://org.example?@evil.example": "org.example",
    "https://org.example#@evil.example": "org.example",
    "https://localhost": "localhost",
    "https://10.example": "10.example",
}
INNER = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "127.0.0.1", "127.255.255.254", "172.16.0.1", "192.168.1.1"),  # noqa: S104
    *("169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.0.8", "168.63.129.16"),
    *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:a00:1"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "100::1", "2001:db8::1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("2001:0:4136:e378:8000:63bf:5601:5601", "2001:0:4136:e378:8000:63bf:80ff:fffe", "5f00::1", "4000::1"),
]
OUTER = [GOOD, "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_address_is_refused(url: str) -> None:
    """For the right reason, and with nothing of it repeated."""
    with pytest.raises(Unsafe, match=HOSTILE[url]) as refused:
        checked(url, loopback=False)
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize("url", [None, 7, b"https://org.example", ["https://org.example"]])
def test_what_is_no_text_is_no_address(url: str) -> None:
    """A CRM may hand out anything."""
    with pytest.raises(Unsafe, match=NO_URL):
        checked(url, loopback=False)


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize("url", HARMLESS)
def test_an_address_of_a_crm_may_be_called(url: str, loopback: bool) -> None:  # noqa: FBT001 - a parameter
    """As far as it tells by itself."""
    assert checked(url, loopback=loopback).raw_host.decode() == HARMLESS[url]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8001", "http://localhost:1", "https://localhost:2", "http://[::1]:3"]
)
def test_this_machine_may_be_called_only_with_the_switch(url: str) -> None:
    """By http and at any port, as fakes are."""
    assert checked(url, loopback=True).port
    with pytest.raises(Unsafe):
        checked(url, loopback=False)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.2", "http://127.1", "http://localhost.", "http://0", "http://org.example", "ftp://localhost"],
)
def test_the_switch_opens_nothing_else(url: str) -> None:
    """Three spellings of this machine, and no more."""
    with pytest.raises(Unsafe):
        checked(url, loopback=True)


@pytest.mark.parametrize("address", INNER)
def test_what_stands_beside_the_service_is_not_public(address: str) -> None:
    """Whatever it is wrapped in."""
    assert not public(address)


@pytest.mark.parametrize("address", OUTER)
def test_the_open_internet_is_public(address: str) -> None:
    """Also where a network translates its addresses."""
    assert public(address)


class Journal(httpx.AsyncBaseTransport):
    """Takes the place of what opens sockets; keeps what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[httpx.Request] = []
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        self.calls.append(request)
        return httpx.Response(200, json={})

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Give the journal of all connections."""
    one = Journal()
    monkeypatch.setattr("app.sync.guard.httpx.AsyncHTTPTransport", lambda **_: one)
    return one


class Names:
    """A server of names that says something else each time; the last answer stays."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the next addresses."""
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def called(names: Names, url: str = "https://org.example/a", *, loopback: bool = False) -> httpx.Response:
    """Call an address once."""
    async with httpx.AsyncClient(transport=Guarded(loopback=loopback, resolve=names), trust_env=False) as client:
        return await client.get(url)


@pytest.mark.parametrize("address", INNER)
@pytest.mark.parametrize("loopback", [True, False])
async def test_a_name_of_what_stands_beside_is_not_called(journal: Journal, address: str, loopback: bool) -> None:  # noqa: FBT001
    """Alone, nor first or last of several; the switch is for this machine's own names."""
    for found in ([address], [GOOD, address], [address, GOOD], ["2606:4700::1111", GOOD, address]):
        with pytest.raises(Unsafe, match="not of the open internet"):
            await called(Names(found), loopback=loopback)
    assert journal.calls == []


async def test_the_call_goes_to_the_address_that_was_checked(journal: Journal) -> None:
    """The name stays for the certificate and for the server; nobody asks for it a second time."""
    names = Names([GOOD], ["127.0.0.1"])
    await called(names, "https://ORG.example/a?b=c")
    (request,) = journal.calls
    assert str(request.url) == f"https://{GOOD}/a?b=c"
    assert request.headers["host"] == "org.example"
    assert request.extensions["sni_hostname"] == "org.example"
    assert names.asked == [("org.example", 443)]
    assert journal.closed


async def test_a_name_that_leads_elsewhere_a_moment_later_leads_nowhere(journal: Journal) -> None:
    """Checked anew with each call, be the connection kept or not."""
    names = Names([GOOD], ["127.0.0.1"], [GOOD, "10.0.0.1"], ["2606:4700::1111"])
    async with httpx.AsyncClient(transport=Guarded(loopback=False, resolve=names), trust_env=False) as client:
        await client.get("https://org.example/1")
        for path in ("2", "3"):
            with pytest.raises(Unsafe):
                await client.get(f"https://org.example/{path}")
        await client.get("https://org.example/4")
    assert [str(one.url) for one in journal.calls] == [f"https://{GOOD}/1", "https://[2606:4700::1111]/4"]


async def test_a_name_of_other_letters_is_asked_for_in_one_way(journal: Journal) -> None:
    """Resolvers have an older reading of it, by which it may be somebody else's."""
    names = Names([GOOD])
    await called(names, "https://fa\u00df.example/")
    assert names.asked == [("xn--fa-hia.example", 443)]
    assert journal.calls[0].extensions["sni_hostname"] == "xn--fa-hia.example"
    assert journal.calls[0].headers["host"] == "xn--fa-hia.example"


@pytest.mark.parametrize("answer", [[], OSError("no such host"), UnicodeError("label too long")])
async def test_a_name_that_nobody_knows_is_a_failed_connection(
    journal: Journal, answer: Sequence[str] | Exception
) -> None:
    """It may be known later."""
    with pytest.raises(httpx.ConnectError, match="is not known"):
        await called(Names(answer))
    assert journal.calls == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("found", [[GOOD], ["127.0.0.1", GOOD], ["10.0.0.1"], ["169.254.169.254"]])
async def test_names_of_this_machine_lead_to_it(journal: Journal, host: str, found: Sequence[str]) -> None:
    """They may be called by plain http, which nothing else may be."""
    with pytest.raises(Unsafe, match="away from this machine"):
        await called(Names(found), f"http://{host}:8001/", loopback=True)
    assert journal.calls == []


@pytest.mark.parametrize("found", [["127.0.0.1"], ["::1", "127.0.0.1"]])
async def test_names_of_this_machine_are_called_with_the_switch(journal: Journal, found: Sequence[str]) -> None:
    """And without it they are names like others."""
    await called(Names(found), "http://localhost:8001/", loopback=True)
    assert (journal.calls[0].url.host, journal.calls[0].url.port) == (found[0], 8001)
    with pytest.raises(Unsafe, match="not of the open internet"):
        await called(Names(found), "https://localhost/")


@pytest.mark.parametrize("url", ["http://org.example/", "https://127.0.0.1/", "https://u@org.example/"])
async def test_what_may_not_be_called_is_not_even_asked_for(journal: Journal, url: str) -> None:
    """The address is checked by itself first."""
    names = Names([GOOD])
    with pytest.raises(Unsafe):
        await called(names, url)
    assert (names.asked, journal.calls) == ([], [])


async def test_this_machine_is_asked_by_its_own_resolver() -> None:
    """The real one, and real HTTP."""
    app = Starlette(routes=[Route("/", lambda _: JSONResponse({"a": 1}))])
    async with served(app) as base, httpx.AsyncClient(transport=Guarded(loopback=True), trust_env=False) as client:
        assert (await client.get(base)).json() == {"a": 1}
        with pytest.raises(Unsafe):
            await client.get("http://169.254.169.254/")


def certified(folder: Path) -> ssl.SSLContext:
    """Return the context of a server that nobody vouches for."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(clock.now() - timedelta(1)).not_valid_after(clock.now() + timedelta(1))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "all.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        + made.sign(key, hashes.SHA256()).public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "all.pem")
    return context


async def test_the_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    """The server is told the name, though it is called by its address; and whoever can't prove it gets nothing."""
    context, told = certified(tmp_path), list[str | None]()
    context.sni_callback = lambda _, name, __: told.append(name)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await called(Names(["127.0.0.1"]), f"https://localhost:{port}/", loopback=True)
    assert told == ["localhost"]


async def test_a_wire_follows_no_redirect_and_asks_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both would be another address than the one that was checked."""
    asked = list[str]()

    async def answer(request: Request) -> RedirectResponse:
        asked.append(request.url.path)
        return RedirectResponse("/other", 302)

    async def token() -> Token:
        return Token("t", base)

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    async with served(Starlette(routes=[Route("/{path}", answer)])) as base:
        wire = Wire(token, loopback=True)
        assert (await wire.call("GET", "/first")).status == 302
        await wire.close()
    assert asked == ["/first"]
