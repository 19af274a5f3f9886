"""Which addresses may be called: whoever may name a CRM must not be able to name what stands beside this service.

Every address is checked, be it of a client or handed out by a CRM, and the call goes to the very address that was
checked: a name that leads elsewhere a moment later leads nowhere.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cache

import httpx

HTTPS_PORT = 443
# What means this machine; only where loopback is allowed at all.
NEAR = ("localhost", "127.0.0.1", "::1")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What Python takes for the open internet, though clouds keep their metadata there, and sites their own networks.
_INNER = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "168.63.129.16/32", "fec0::/10")))
# As it goes over the wire: a name of other letters is asked for in ASCII.
_NAME = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.ASCII)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Unsafe(Exception):  # noqa: N818 - read as what it says
    """An address that may not be called; the message says why."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def checked(url: str, *, loopback: bool) -> httpx.URL:
    """Return a URL that may be called, as far as it tells by itself; raises Unsafe."""
    try:
        parsed = httpx.URL(url)
        # What can't be shown is no name either.
        shown = parsed.host
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise Unsafe("This is not a URL.") from error
    if not shown:
        raise Unsafe("This is not a URL.")
    if parsed.userinfo:
        raise Unsafe("A URL with a user name can't be called.")
    host = name_of(parsed)
    if loopback and parsed.scheme in ("http", "https") and host in NEAR:
        return parsed
    if parsed.scheme != "https":
        raise Unsafe("Only https can be called.")
    if parsed.port not in (None, HTTPS_PORT):
        raise Unsafe(f"Only port {HTTPS_PORT} can be called.")
    if _literal(host):
        raise Unsafe("A CRM is called by its name, not by a number.")
    if not _NAME.fullmatch(host):
        raise Unsafe("This is not a URL.")
    return parsed


def name_of(url: httpx.URL) -> str:
    """Return the host of a URL in the letters in which it is asked for; others may be read in more than one way."""
    return url.raw_host.decode("ascii")


def _literal(host: str) -> bool:
    """Tell whether a host is an address, in whatever way systems read one: 127.1 and 0x7f000001 are some."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        return last.isdigit() or last.lower().startswith("0x")
    return True


def public(address: str) -> bool:
    """Tell whether an address is of the open internet, whatever it is wrapped in."""
    one: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        inner = one.ipv4_mapped or one.sixtofour or (one.teredo[1] if one.teredo else None)
        if one in _NAT64:
            inner = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
        if inner is not None:
            one = inner
    if any(one in network for network in _INNER):
        return False
    return one.is_global and not (one.is_multicast or one.is_reserved or one.is_unspecified)


@cache
def _trusted() -> ssl.SSLContext:
    """Return by whom certificates are vouched for: read once, for it takes some hundredths of a second."""
    return httpx.create_ssl_context()


class Guarded(httpx.AsyncBaseTransport):
    """Sends each request to an address that was checked a moment before; raises Unsafe, and what httpx raises."""

    def __init__(self, *, loopback: bool, resolve: Resolve = resolve) -> None:
        self._loopback = loopback
        self._resolve = resolve
        # One for each name: connections are kept by address, and two names may share one.
        self._inner: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        url = checked(str(request.url), loopback=self._loopback)
        name = name_of(url)
        address = await self._address(url, name)
        inner = self._inner.get(name)
        if inner is None:
            inner = self._inner[name] = httpx.AsyncHTTPTransport(verify=_trusted())
        request.url = url.copy_with(host=address)
        # The name is still what the certificate is checked against, and what the server is asked for.
        request.extensions = {**request.extensions, "sni_hostname": name}
        return await inner.handle_async_request(request)

    async def _address(self, url: httpx.URL, name: str) -> str:
        try:
            found = await self._resolve(name, url.port or HTTPS_PORT)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{name} is not known.", request=None) from error
        if not found:
            raise httpx.ConnectError(f"{name} is not known.", request=None)
        if self._loopback and name in NEAR:
            # It may be called by http and at any port, so it has to be near.
            if not all(ipaddress.ip_address(one).is_loopback for one in found):
                raise Unsafe(f"{name} leads away from this machine.")
        elif not all(public(one) for one in found):
            raise Unsafe(f"{name} leads to an address that is not of the open internet.")
        return found[0]

    async def aclose(self) -> None:
        """Close the connections."""
        for inner in self._inner.values():
            await inner.aclose()
