"""Somebody who asks the wire whom it knows, by known and unknown emails in turns: told apart by time, or not."""

import itertools
import math
from collections.abc import Sequence

import orjson

from benchmarks.load import Request, Tally, drive
from benchmarks.measure import Target
from benchmarks.processes import ADMIN_KEY
from benchmarks.report import Aim, percentile

PROBES = 400
SECONDS = 120.0
ALPHA = 0.01
TAKEN = b'{"success":true}'


async def probed(target: Target) -> Aim:
    """Return how likely it is by chance that known and unknown emails differ as much in time as they do."""
    known = [sample.input["emails"][0]["address"] for sample in target.people[: PROBES // 2]]
    unknown = [f"nobody{number:06d}@example.com" for number in range(len(known))]
    emails = iter(list(itertools.chain.from_iterable(zip(known, unknown, strict=True))))

    def ask() -> Request | None:
        email = next(emails, None)
        return None if email is None else (_request(email), None)

    tally = await drive(Tally(ask, lambda body, _: body == TAKEN), target.child.port, 1, SECONDS)
    first, second = tally.latencies[::2], tally.latencies[1::2]
    middle = [f"{percentile(sorted(one), 0.5) * 1e3:.2f}" for one in (first, second)]
    words = f"p of known ({middle[0]} ms) and unknown emails ({middle[1]} ms) being alike; {tally.failed} failed"
    return Aim(words, alike(first, second), ALPHA, floor=True)


def _request(email: str) -> bytes:
    body = orjson.dumps({"anonymousId": f"probe-{email}", "traits": {"email": email}})
    head = f"POST /v1/identify HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {ADMIN_KEY}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def alike(first: Sequence[float], second: Sequence[float]) -> float:
    """Return p of the test of Mann and Whitney, two-sided, by the normal approximation; times hardly ever tie."""
    ranked = sorted([(one, True) for one in first] + [(one, False) for one in second])
    rank_sum = sum(rank for rank, (_, mine) in enumerate(ranked, 1) if mine)
    n, m = len(first), len(second)
    mean, spread = n * (n + m + 1) / 2, math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(rank_sum - mean) / spread / math.sqrt(2))
