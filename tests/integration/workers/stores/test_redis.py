"""What is Redis' own: why it claims no more than BEST_EFFORT, and what it does all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from tests.integration.workers.stores.bench import DONE_WELL, Bench, claimed
from tests.integration.workers.stores.benches import redis_bench
from tests.redis_server import RedisServer, running_redis
from workers.overrun import Overran, interrupted_after
from workers.stores.items import Forgotten
from workers.stores.redis import PREFIX, RedisStore
from workers.stores.store import RETENTION_SECONDS, StoreUnavailable, StoreUnfit
from workers.verdicts import Busy, Claim


@pytest.fixture
def own(redis_server: RedisServer) -> Iterator[Bench]:
    """A bench on the run's Redis."""
    with redis_bench(redis_server.url) as bench:
        yield bench


def test_a_failover_forgets_claims(redis_program: str, own: Bench) -> None:
    """Replication is asynchronous: a replica that takes over has not all that was confirmed, so two run at once."""
    with running_redis(redis_program) as replica:
        held = claimed(own.open().claim(own.request()))
        with closing(RedisStore.at(replica.url)) as promoted:
            assert claimed(promoted.claim(own.again(held))).attempt == 1
        own.open().require_held(held)


def test_an_eviction_forgets_claims(redis_program: str) -> None:
    """Where keys may be evicted, an event runs again; so such a Redis is refused at start."""
    small = ("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru")
    with running_redis(redis_program, *small) as server, redis_bench(server.url) as bench:
        store = bench.open()
        held = [claimed(store.claim(bench.request())) for _ in range(50)]
        with redis.Redis.from_url(server.url) as client, client.pipeline(transaction=False) as pipeline:
            for number in range(6000):
                pipeline.set(f"other-{number}", "x" * 1000)
            pipeline.execute()
        assert any(isinstance(store.claim(bench.again(each)), Claim) for each in held)
        with pytest.raises(StoreUnfit, match="must have maxmemory-policy noeviction, got allkeys-lru"):
            store.check()


def test_a_fit_redis_is_taken_with_a_warning(redis_program: str, own: Bench) -> None:
    """Without an append-only file a restart forgets; with one nothing is said."""
    with capture_logs() as logs:
        own.open().check()
    assert ["append-only" in entry["event"] for entry in logs] == [True]
    with running_redis(redis_program, "--appendonly", "yes") as server, redis_bench(server.url) as bench:
        with capture_logs() as logs:
            bench.open().check()
        assert logs == []


def test_a_claim_that_was_lost_is_not_taken_for_overtaken(redis_server: RedisServer, own: Bench) -> None:
    """Nobody else has the event: were its delivery acked as overtaken, the event would be lost."""
    store = own.open()
    held = claimed(store.claim(own.request()))
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        (key,) = [key for key in client.scan_iter(f"{PREFIX}*") if own.group in key]
        client.delete(key)
    with pytest.raises(Forgotten):
        store.complete(held, DONE_WELL)
    with pytest.raises(Forgotten):
        store.intend(held, "pay", "key")
    assert claimed(store.claim(own.again(held))).attempt == 1


def test_a_claim_that_was_rolled_back_is_not_taken_for_overtaken(redis_server: RedisServer, own: Bench) -> None:
    """A replica may have the claim before: a lower fence than mine means that mine was lost."""
    store = own.open()
    stale = claimed(store.claim(own.request()))
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        (key,) = [key for key in client.scan_iter(f"{PREFIX}*") if own.group in key]
        before: Any = client.hgetall(key)
        held = claimed(own.take_over(store, stale))
        client.hset(key, mapping=before)
    with pytest.raises(Forgotten):
        store.complete(held, DONE_WELL)


def test_keys_go_after_the_retention(redis_server: RedisServer, own: Bench) -> None:
    """No key stays for ever."""
    store = own.open()
    held = claimed(store.claim(own.request()))
    store.complete(held, DONE_WELL)
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        left = [client.ttl(key) for key in client.scan_iter(f"{PREFIX}*") if own.group in key]
    assert [RETENTION_SECONDS - 60 < seconds <= RETENTION_SECONDS for seconds in left] == [True]


def test_the_answer_to_a_claim_that_was_lost(own: Bench) -> None:
    """The same delivery asks again and gets the same claim; another one waits."""
    store, request = own.open(), own.request()
    assert claimed(store.claim(request)) == claimed(store.claim(request))
    assert isinstance(store.claim(own.request(request.envelope.id)), Busy)


def test_an_answer_that_nobody_waits_for_any_more(redis_server: RedisServer, own: Bench) -> None:
    """A handler whose time is over breaks off its wait: the next question must not be given the old answer."""
    store = own.open()
    held = claimed(store.claim(own.request()))
    with redis.Redis.from_url(redis_server.url) as client:
        client.client_pause(800)
    with pytest.raises(Overran), interrupted_after(0.1):
        store.look(own.group, "/s", held.request.envelope.id)
    assert store.look(own.group, "/s", "another") is None


def test_no_answer_is_an_outage(redis_program: str) -> None:
    """The event waits in the broker."""
    with running_redis(redis_program) as server, redis_bench(server.url) as bench:
        store = bench.open()
        held = claimed(store.claim(bench.request()))
        server.kill()
        with pytest.raises(StoreUnavailable):
            store.complete(held, DONE_WELL)
        with pytest.raises(StoreUnfit, match="must be reachable"):
            store.check()
