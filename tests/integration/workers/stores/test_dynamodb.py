"""What is DynamoDB's own: leases without a clock, its table, its retention."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from botocore.stub import Stubber

from tests.dynamodb_server import client_of, fresh_table
from tests.integration.workers.stack import until
from tests.integration.workers.stores.bench import BURIED, DONE_WELL, Bench, claimed
from tests.integration.workers.stores.benches import Clock, dynamodb_bench
from workers.stores.dynamodb import DynamoStore
from workers.stores.items import item_key
from workers.stores.store import RETENTION_SECONDS, StoreUnavailable, StoreUnfit
from workers.stores.watch import Watch
from workers.verdicts import Busy, Claim, Fenced


@pytest.fixture
def table(dynamodb_endpoint: str) -> Iterator[str]:
    """The URL of an empty table."""
    with fresh_table(dynamodb_endpoint) as url:
        yield url


@pytest.fixture
def own(table: str) -> Iterator[Bench]:
    """A bench on a table of its own."""
    with dynamodb_bench(table) as bench:
        yield bench


def standing_still(url: str) -> DynamoStore:
    """A worker for which no time passes: it can judge no lease by itself."""
    store = DynamoStore.at(url)
    store._watch = Watch(store._mark_over, Clock())
    return store


def test_what_one_worker_has_seen_through_all_others_may_use(table: str) -> None:
    """The observer marks the end of a lease, though the delivery comes back to another worker."""
    bench = Bench(lambda: DynamoStore.at(table), lambda: None)
    with closing(DynamoStore.at(table)) as observer, closing(standing_still(table)) as other:
        stale = claimed(other.claim(bench.request(lease_seconds=0.5)))
        assert isinstance(other.claim(bench.again(stale)), Busy)
        assert isinstance(observer.claim(bench.again(stale)), Busy)
        new = until(lambda: taken(other, bench, stale), what="the marked end of the lease")
        assert new is not None
        assert new.attempt == 2
        with pytest.raises(Fenced):
            observer.complete(stale, DONE_WELL)
        assert isinstance(other.claim(bench.again(new)), Busy)  # the mark was for the claim before


def taken(store: DynamoStore, bench: Bench, stale: Claim) -> Claim | None:
    """The claim, if it is granted."""
    verdict = store.claim(bench.again(stale))
    return verdict if isinstance(verdict, Claim) else None


def test_nobody_takes_over_what_he_has_not_seen_for_a_whole_lease(own: Bench) -> None:
    """A lease that is long over, but was never seen, is watched first: its beginning is not known."""
    first, other = own.open(), own.open()
    stale = claimed(first.claim(own.request()))
    own.pass_time()
    verdict = other.claim(own.again(stale))
    assert isinstance(verdict, Busy)
    assert 30 <= verdict.seconds <= 32


def test_a_new_claim_is_watched_anew(own: Bench) -> None:
    """What was seen of the claim before says nothing about the next."""
    store, other = own.open(), own.open()
    first = claimed(store.claim(own.request()))
    second = claimed(own.take_over(store, first))
    assert isinstance(store.claim(own.again(second)), Busy)
    assert isinstance(other.claim(own.again(second)), Busy)


def test_the_answer_to_a_write_that_was_lost(own: Bench) -> None:
    """boto3 repeats a request whose answer was lost: what was made already counts as made."""
    store, request = own.open(), own.request()
    held = claimed(store.claim(request))
    assert claimed(store.claim(request)) == held
    store.complete(held, DONE_WELL)
    store.complete(held, DONE_WELL)
    with pytest.raises(Fenced):
        store.complete(held, BURIED)


def expiry(bench: Bench, url: str, endpoint: str, event_id: str) -> str | None:
    """When an item goes, as it is written."""
    name = url.removeprefix("dynamodb://").partition("?")[0]
    key = {"key": {"S": item_key(bench.group, "/s", event_id)}}
    with closing(client_of(endpoint)) as client:
        found = client.get_item(TableName=name, Key=key)["Item"].get("expires_at")
    return None if found is None else found["N"]


def test_only_what_is_done_with_goes(own: Bench, table: str, dynamodb_endpoint: str) -> None:
    """An outcome goes after the retention, by the service's time; a replay keeps it again."""
    store = own.open()
    held = claimed(store.claim(own.request("e")))
    assert expiry(own, table, dynamodb_endpoint, "e") is None
    store.complete(held, BURIED)
    goes = expiry(own, table, dynamodb_endpoint, "e")
    assert goes is not None
    assert abs(int(goes) - time.time() - RETENTION_SECONDS) < 60
    claimed(store.claim(own.again(held, generation=1)))
    assert expiry(own, table, dynamodb_endpoint, "e") is None


def test_a_claim_whose_answer_was_lost_tells_the_time(own: Bench, table: str, dynamodb_endpoint: str) -> None:
    """Else an outcome would go as much too early as the worker had been idle before."""
    store, request = DynamoStore.at(table), own.request("e")
    with closing(store):
        claimed(store.claim(request))
        store._told = time.time() - RETENTION_SECONDS / 2
        store.complete(claimed(store.claim(request)), DONE_WELL)
    goes = expiry(own, table, dynamodb_endpoint, "e")
    assert goes is not None
    assert abs(int(goes) - time.time() - RETENTION_SECONDS) < 60


def test_a_table_that_is_not_fit(table: str) -> None:
    """No table, another key and a global table are refused at start."""
    with closing(DynamoStore.at(table)) as store:
        store.check()
    nowhere = DynamoStore.at(table.replace("test-", "no-"))
    with closing(nowhere), pytest.raises(StoreUnfit, match="must be reachable, got ResourceNotFoundException"):
        nowhere.check()
    fit = {"TableStatus": "ACTIVE", "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}]}
    other_key = {**fit, "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
    copied = {**fit, "Replicas": [{"RegionName": "eu-central-1"}]}
    for described, said in ((other_key, "the one key `key`"), (copied, "must be in one region")):
        with closing(DynamoStore.at(table)) as store, Stubber(store._client) as stub:
            stub.add_response("describe_table", {"Table": described})
            with pytest.raises(StoreUnfit, match=said):
                store.check()


def test_no_answer_is_an_outage() -> None:
    """The event waits in the broker."""
    nobody = DynamoStore.at("dynamodb://t?region=eu-west-1&endpoint=http://127.0.0.1:1")
    request = Bench(lambda: nobody, lambda: None).request()
    with closing(nobody), pytest.raises(StoreUnavailable):
        nobody.claim(request)
