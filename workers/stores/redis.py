"""The inbox in Redis: BEST_EFFORT, since a failover, a restart or an eviction loses keys (decision 0407).

One hash per event, changed by one script that compares and sets in one step, by Redis' own clock.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from workers.stores.items import Condition, Fields, ItemStore
from workers.stores.level import Level
from workers.stores.store import RETENTION_SECONDS, StoreUnavailable, StoreUnfit, WrongInboxUrl

log = structlog.get_logger("millrace.inbox")

#: Bounds each answer; with one repetition it is within derived.STORE_SECONDS.
ANSWER_SECONDS = 0.9
PREFIX = "millrace:inbox:"

#: In JSON, false stands for a field that is not there, as redis.call says it.
_CHANGE = """
local asked = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local function holds(fields)
  for name, value in pairs(fields) do
    if redis.call('HGET', KEYS[1], name) ~= value then return false end
  end
  return true
end
if not holds(asked.where) then
  if holds(asked.after) then return {} end
  return {string.format('%.6f', now), redis.call('HGETALL', KEYS[1])}
end
for name, value in pairs(asked.put) do
  if value then redis.call('HSET', KEYS[1], name, value) else redis.call('HDEL', KEYS[1], name) end
end
if asked.seconds then redis.call('HSET', KEYS[1], 'due_at', string.format('%.6f', now + asked.seconds)) end
redis.call('EXPIRE', KEYS[1], asked.retention)
return {}
"""
_GET = """
local time = redis.call('TIME')
return {string.format('%.6f', time[1] + time[2] / 1000000), redis.call('HGETALL', KEYS[1])}
"""


class RedisStore(ItemStore):
    """The inbox in one Redis; `redis://` or, with TLS, `rediss://`."""

    level: ClassVar[Level] = Level.BEST_EFFORT
    paced: ClassVar[bool] = True

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._script = client.register_script(_CHANGE)
        self._reading = client.register_script(_GET)

    @classmethod
    def require_url(cls, url: str) -> None:
        """Raise WrongInboxUrl unless it names a host and, if anything, a database by its number."""
        parts = urlsplit(url)
        if not parts.hostname or not (parts.path[1:] or "0").isdecimal():
            raise WrongInboxUrl("must be redis://HOST:PORT/NUMBER, got another form")

    @classmethod
    def at(cls, url: str) -> Self:
        """The store at a URL; nothing is opened yet."""
        limits = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
        client = Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 1), **limits)
        return cls(client)

    def check(self) -> None:
        """Raise StoreUnfit unless Redis is there and never evicts; without an append-only file it only warns."""
        try:
            with _answering():
                found: Any = self._client.info()
        except StoreUnavailable as error:
            raise StoreUnfit(f"Redis must be reachable, got {error}") from error
        if found.get("maxmemory_policy") != "noeviction":
            raise StoreUnfit(
                f"Redis must have maxmemory-policy noeviction, got {found.get('maxmemory_policy')}: an evicted key is "
                "a forgotten event, which then runs twice"
            )
        if not found.get("aof_enabled"):
            log.warning("Redis keeps no append-only file: a restart forgets events, which may then run twice")

    def _change(self, key: str, where: Condition, put: Condition, *, seconds: float | None = None) -> Fields | None:
        asked = {
            "where": _plain(where),
            "put": _plain(put),
            "after": _plain({**where, **put}),
            "seconds": seconds or False,
            "retention": RETENTION_SECONDS,
        }
        with _answering():
            answer: Any = self._script(keys=[PREFIX + key], args=[json.dumps(asked)])
        return _item(answer) if answer else None

    def _get(self, key: str) -> Fields:
        with _answering():
            answer: Any = self._reading(keys=[PREFIX + key])
        return _item(answer)

    def _wait(self, item: Fields) -> float:
        return float(item["due_at"]) - float(item["now"])

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _plain(fields: Condition) -> dict[str, str | bool]:
    return {name: False if value is None else value for name, value in fields.items()}


def _item(answer: tuple[str, list[str]]) -> Fields:
    now, flat = answer
    if not flat:
        return {}
    return {"now": now, **dict(zip(flat[::2], flat[1::2], strict=True))}


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
