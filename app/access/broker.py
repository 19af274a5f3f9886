"""Rates over several machines: what was taken here is told to redis, and what is left by everybody's count comes back.

No request waits for that. While redis is away, each machine counts for itself.
"""

import asyncio
from collections.abc import Mapping

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.access.rate import Rates
from app.core.errors import StartError

SETTLE_SECONDS = 0.1
CALL_SECONDS = 1.0
AWAY_SECONDS = 1.0
KEYS_AT_ONCE = 500
# What several machines let through before they heard of each other is paid back, up to so many buckets.
DEBT_BUCKETS = 10

# The server's clock counts: those of the machines may differ. A bucket that nobody asks for is full, and forgotten.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local rate, full, least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local lapse = math.ceil((full - least) / rate * 1000) + 1000
local left = {}
for i, key in ipairs(KEYS) do
  local held = redis.call('HMGET', key, 'tokens', 'at')
  local tokens, at = tonumber(held[1]) or full, tonumber(held[2]) or now
  tokens = math.min(full, tokens + math.max(0, now - at) * rate)
  tokens = math.max(least, tokens - tonumber(ARGV[i + 3]))
  redis.call('HSET', key, 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
  redis.call('PEXPIRE', key, lapse)
  left[i] = string.format('%.6f', tokens)
end
return left
"""

log = structlog.get_logger(__name__)


class Broker:
    """Settles the rates of this process with redis, every SETTLE_SECONDS in which something was asked."""

    def __init__(self, url: str, space: str, rates: Rates) -> None:
        """Take the address of a redis, and the name under which services of one database count; raises StartError."""
        try:
            self._redis = Redis.from_url(
                url, socket_timeout=CALL_SECONDS, socket_connect_timeout=CALL_SECONDS, retry=Retry(NoBackoff(), 1)
            )
        except ValueError as error:
            raise StartError(f"PROFILES_BROKER_URL: {error}.") from None
        self._script = self._redis.register_script(SCRIPT)
        # In braces: a cluster keeps together what one call names.
        self._prefix = f"{{profiles:{space}}}:rate:"
        self._rates = rates
        self._away = False
        rates.unsettled()

    async def run(self) -> None:
        """Settle until cancelled."""
        try:
            while True:
                await asyncio.sleep(AWAY_SECONDS if self._away else SETTLE_SECONDS)
                await self.settle()
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    async def settle(self) -> None:
        """Tell what was taken, and take over what is left; where nobody answers, it is told the next time."""
        owed = list(self._rates.unsettled().items())
        for start in range(0, len(owed), KEYS_AT_ONCE):
            some = dict(owed[start : start + KEYS_AT_ONCE])
            try:
                left = await self._tell(some)
            except (RedisError, OSError) as error:
                self._rates.owe(dict(owed[start:]))
                self._note(error)
                return
            self._rates.settle(left)
            self._note(None)

    async def _tell(self, owed: Mapping[str, float]) -> dict[str, float]:
        rates = self._rates
        numbers = [rates.rate, rates.full, -DEBT_BUCKETS * rates.full, *owed.values()]
        left = await self._script([self._prefix + key for key in owed], numbers)
        return {key: float(tokens) for key, tokens in zip(owed, left, strict=True)}

    def _note(self, error: Exception | None) -> None:
        """Say once that redis is away, and once that it is back."""
        if error is not None and not self._away:
            log.warning("rates_by_machine", reason="redis does not answer", error=type(error).__name__)
        elif error is None and self._away:
            log.info("rates_together", reason="redis answers again")
        self._away = error is not None
