"""The metrics of several workers in one scrape: whichever is asked asks the others; each series names its worker.

Each answers on a unix socket without a file, which its parent holds open: gone with the last of them.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

ANSWER_SECONDS = 1.0
READ_BYTES = 65536
_HELP = b"\n# HELP "


class Siblings:
    """One worker among those of a command: `number` counts from 1, `addresses` are those of all, in their order."""

    def __init__(self, number: int, listening: socket.socket, addresses: Sequence[bytes]) -> None:
        self.number = number
        self._listening = listening
        self._addresses = addresses
        self._server: asyncio.Server | None = None

    async def begin(self, text: Callable[[], bytes]) -> None:
        """Give `text` to whoever asks, from now on."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                writer.write(text())
                await writer.drain()
            writer.close()

        self._server = await asyncio.start_unix_server(answer, sock=self._listening)

    def end(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()

    async def all(self) -> bytes:
        """Return the metrics of all who answer in time, and who that is."""
        texts = await asyncio.gather(*[self._asked(one) for one in self._addresses])
        return merged([*[text for text in texts if text], generate_latest(_There(texts))])

    async def _asked(self, address: bytes) -> bytes:
        """Return what one of them says, nothing where it does not in time."""
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
            asking.setblocking(False)
            # Read by hand: the streams of the loop take no address without a file.
            loop, parts = asyncio.get_running_loop(), []
            async with asyncio.timeout(ANSWER_SECONDS):
                await loop.sock_connect(asking, address)
                while part := await loop.sock_recv(asking, READ_BYTES):
                    parts.append(part)
            return b"".join(parts)
        return b""


class Named(Collector):
    """What a registry has, each series with a worker's number.

    A sum would mislead: of ages it is none, and of counts it falls when one of them starts anew.
    """

    def __init__(self, registry: CollectorRegistry, number: int) -> None:
        self._registry = registry
        self._label = {"worker": str(number)}

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        for family in self._registry.collect():
            family.samples = [one._replace(labels={**one.labels, **self._label}) for one in family.samples]
            yield family


class _There(Collector):
    """Which workers answered."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterable[Metric]:
        """Return the one family."""
        family = GaugeMetricFamily("profiles_worker_up", "Workers that tell their metrics.", labels=("worker",))
        for number, text in enumerate(self._texts, start=1):
            family.add_metric((str(number),), float(bool(text)))
        return [family]


def merged(texts: Iterable[bytes]) -> bytes:
    """Return several expositions as one: each family once, with the series of all."""
    families: dict[bytes, list[bytes]] = {}
    for part in (part for text in texts for part in (b"\n" + text).split(_HELP)[1:]):
        # The line that helps and the line of the type, by which a family is known.
        helps, types, *series = part.strip(b"\n").split(b"\n")
        families.setdefault(helps + b"\n" + types, []).extend(series)
    return b"".join([_HELP + b"\n".join([head, *series]) for head, series in families.items()]).lstrip() + b"\n"
