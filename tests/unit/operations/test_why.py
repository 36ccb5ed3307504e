"""What became of an event, from rows in the tables."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from millrace import names
from millrace.catalog import CATALOG as WHOLE
from millrace.envelope import seal
from millrace.events import UserSignedUp
from sqlalchemy import Connection, create_engine, insert

from operations.why import WORST_FIRST, why, worst
from tests.unrecorded import without_record
from workers.tables import accepted, inbox, letters, metadata, outbox

#: Its functions' records lie in DynamoDB (tests/integration/operations/test_aws_numbers.py).
CATALOG = replace(WHOLE, functions=())
ID = "e-1"
SOURCE = "/web"


@pytest.fixture
def connection() -> Iterator[Connection]:
    """An empty store in memory."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def add_accepted(connection: Connection, *, source: str = SOURCE, type_: str = "user.signed_up") -> None:
    connection.execute(insert(accepted).values(source=source, event_id=ID, type=type_, accepted_at=1.0))


def add_inbox(connection: Connection, group: str, state: str, **values: object) -> None:
    row: dict[str, object] = {
        "group_name": group,
        "source": SOURCE,
        "event_id": ID,
        "type": "user.signed_up",
        "fingerprint": "f",
        "state": state,
        "attempts": 1,
        "generation": 0,
        "owner": "o",
        "fence": 1,
        "due_at": 60.0,
        "first_seen_at": 1.0,
        "updated_at": 2.0,
    }
    connection.execute(insert(inbox).values(row | values))


def add_letter(connection: Connection, kind: str, state: str, group: str | None = None, **values: object) -> None:
    row: dict[str, object] = {
        "kind": kind,
        "state": state,
        "group_name": group,
        "source": SOURCE,
        "event_id": ID,
        "type": "user.signed_up",
        "generation": 0,
        "cause": "Permanent",
        "error": "no",
        "headers": {},
        "routing_key": "k",
        "body": b"{}",
        "letter_key": f"{kind}-{state}-{group}",
        "received_at": 3.0,
    }
    connection.execute(insert(letters).values(row | values))


def add_outbox(connection: Connection, exchange: str, key: str, **values: object) -> None:
    body = seal(UserSignedUp(user_id="1"), source=SOURCE, id=ID).to_bytes()
    row: dict[str, object] = {
        "event_id": ID,
        "type": "user.signed_up",
        "exchange": exchange,
        "routing_key": key,
        "content_type": "x",
        "headers": {},
        "body": body,
        "created_at": 1.0,
        "due_at": 1.0,
        "attempts": 0,
    }
    connection.execute(insert(outbox).values(row | values))


def state(connection: Connection, source: str | None = None) -> tuple[str, dict[str, str]]:
    report = why(connection, CATALOG, ID, source)
    return report["state"], {name: group["outcome"] for name, group in report["groups"].items()}


def test_the_worst_outcome_counts() -> None:
    for index, outcome in enumerate(WORST_FIRST):
        assert worst(WORST_FIRST[index:]) == outcome
        assert worst(reversed(WORST_FIRST[index:])) == outcome
    assert worst([]) == "unknown"


def test_an_id_nobody_knows(connection: Connection) -> None:
    report = why(connection, CATALOG, ID)
    assert (report["id"], report["type"], report["state"], report["groups"]) == (ID, None, "unknown", {})


def test_a_bound_group_without_a_row_is_in_flight(connection: Connection) -> None:
    add_accepted(connection)
    add_inbox(connection, "signup", "processed")
    assert state(connection) == ("in flight", {"signup": "processed", "analytics": "in flight"})


def later(connection: Connection, *groups: str, at: float, id_: str = "e-2") -> None:
    """Another event, which these groups have processed."""
    connection.execute(insert(accepted).values(source=SOURCE, event_id=id_, type="user.signed_up", accepted_at=at))
    for group in groups:
        add_inbox(connection, group, "processed", event_id=id_)


def test_an_event_from_before_the_group_was_added(connection: Connection) -> None:
    add_accepted(connection)
    add_inbox(connection, "signup", "processed")
    later(connection, "signup", "analytics", at=2.0)
    assert state(connection) == ("processed", {"signup": "processed", "analytics": "not addressed"})


def test_an_event_that_other_groups_still_work_on_is_in_flight(connection: Connection) -> None:
    add_accepted(connection)
    add_inbox(connection, "signup", "retrying")
    later(connection, "analytics", at=2.0)
    assert state(connection) == ("in flight", {"signup": "in flight", "analytics": "in flight"})


def test_an_event_that_waits_behind_older_ones_is_in_flight(connection: Connection) -> None:
    add_accepted(connection)
    add_inbox(connection, "signup", "processed")
    later(connection, "analytics", at=0.5)
    assert state(connection)[1]["analytics"] == "in flight"


def test_a_young_event_is_in_flight_whatever_came_first(connection: Connection) -> None:
    connection.execute(
        insert(accepted).values(source=SOURCE, event_id=ID, type="user.signed_up", accepted_at=time.time() - 60)
    )
    add_inbox(connection, "signup", "processed")
    later(connection, "analytics", at=time.time())
    assert state(connection)[1]["analytics"] == "in flight"


def test_a_group_without_a_record_does_not_count(connection: Connection) -> None:
    add_accepted(connection)
    add_inbox(connection, "signup", "processed")
    later(connection, "signup", "analytics", at=2.0)
    report = why(connection, without_record(CATALOG, "analytics"), ID)
    outcomes = {name: group["outcome"] for name, group in report["groups"].items()}
    assert (report["state"], outcomes) == ("processed", {"signup": "processed", "analytics": "not recorded"})


def test_what_went_to_its_pool_is_on_record(connection: Connection) -> None:
    add_accepted(connection)
    add_inbox(connection, "signup", "processed")
    add_inbox(connection, "analytics", "retrying")
    report = why(connection, without_record(CATALOG, "analytics"), ID)
    assert (report["state"], report["groups"]["analytics"]["outcome"]) == ("in flight", "in flight")


def test_two_sources_of_which_one_precedes_the_group(connection: Connection) -> None:
    for source in ("/a", "/b"):
        add_accepted(connection, source=source)
        add_inbox(connection, "signup", "processed", source=source)
    later(connection, "analytics", at=2.0)
    assert state(connection) == ("processed", {"signup": "processed", "analytics": "not addressed"})


def test_all_groups_done(connection: Connection) -> None:
    add_accepted(connection)
    add_inbox(connection, "signup", "processed")
    add_inbox(connection, "analytics", "discarded")
    assert state(connection) == ("discarded", {"signup": "processed", "analytics": "discarded"})


def test_an_alias_is_its_type(connection: Connection) -> None:
    add_accepted(connection, type_="USER_SIGNUP")
    assert why(connection, CATALOG, ID)["type"] == "user.signed_up"
    assert state(connection) == ("in flight", {"signup": "in flight", "analytics": "in flight"})


@pytest.mark.parametrize("running", ["running", "retrying"])
def test_what_runs_or_waits_for_a_retry_is_in_flight(connection: Connection, running: str) -> None:
    add_inbox(connection, "signup", running, error="broken", attempts=2)
    group = why(connection, CATALOG, ID)["groups"]["signup"]
    assert (group["outcome"], group["attempts"], group["error"]) == ("in flight", 2, "broken")
    due = {"running": "running_until", "retrying": "retry_at"}[running]
    assert group[due] == "1970-01-01T00:01:00.000+00:00"


def test_a_dead_letter_counts_more_than_other_groups(connection: Connection) -> None:
    add_accepted(connection)
    add_inbox(connection, "signup", "dead-lettered", attempts=5)
    add_letter(connection, "dead", "open", "signup", attempts=5)
    assert state(connection) == ("dead-lettered", {"signup": "dead-lettered", "analytics": "in flight"})
    signup = why(connection, CATALOG, ID)["groups"]["signup"]
    assert (signup["attempts"], signup["error"], signup["cause"]) == (5, "no", "Permanent")


def test_a_dead_letter_that_the_keeper_has_not_moved_yet(connection: Connection) -> None:
    add_inbox(connection, "signup", "dead-lettered")
    add_inbox(connection, "analytics", "processed")
    assert state(connection) == ("dead-lettered", {"signup": "dead-lettered", "analytics": "processed"})


def test_an_event_that_is_not_indexed_yet_is_in_flight_for_its_other_groups(connection: Connection) -> None:
    add_inbox(connection, "signup", "processed")
    assert state(connection) == ("in flight", {"signup": "processed", "analytics": "in flight"})


def test_a_celery_message_may_have_gone_to_one_group_alone(connection: Connection) -> None:
    add_inbox(connection, "signup", "processed", source="/celery")
    assert state(connection) == ("processed", {"signup": "processed"})


def test_a_replayed_letter_is_closed(connection: Connection) -> None:
    add_inbox(connection, "signup", "dead-lettered")
    add_letter(connection, "dead", "replayed", "signup")
    assert state(connection) == ("in flight", {"signup": "in flight"})


def test_a_replay_that_failed_again(connection: Connection) -> None:
    add_inbox(connection, "signup", "dead-lettered", generation=1)
    add_letter(connection, "dead", "replayed", "signup")
    assert state(connection) == ("dead-lettered", {"signup": "dead-lettered"})


def test_a_letter_that_a_person_discarded(connection: Connection) -> None:
    add_inbox(connection, "signup", "dead-lettered")
    add_letter(connection, "dead", "discarded", "signup")
    assert state(connection) == ("discarded", {"signup": "discarded"})


def test_a_conflict_shows_although_the_first_was_processed(connection: Connection) -> None:
    add_inbox(connection, "signup", "processed")
    add_letter(connection, "dead", "open", "signup", cause="conflict")
    assert state(connection) == ("dead-lettered", {"signup": "dead-lettered"})


def test_parked_without_a_group(connection: Connection) -> None:
    add_accepted(connection, type_="onboarding.completed")
    assert state(connection) == ("parked", {})
    add_letter(connection, "parked", "open", type="onboarding.completed")
    assert state(connection) == ("parked", {})


def test_parked_while_a_group_is_there_by_now(connection: Connection) -> None:
    add_accepted(connection)
    add_letter(connection, "parked", "open")
    assert state(connection) == ("parked", {"signup": "parked", "analytics": "parked"})


def test_released_is_in_flight(connection: Connection) -> None:
    add_letter(connection, "parked", "released")
    assert state(connection) == ("in flight", {"signup": "in flight", "analytics": "in flight"})


def test_rejected_is_discarded(connection: Connection) -> None:
    add_letter(connection, "rejected", "open", type=None)
    assert state(connection) == ("discarded", {})


def test_an_event_still_in_the_outbox(connection: Connection) -> None:
    add_outbox(connection, names.IN, "user.signed_up", error="no connection")
    assert state(connection) == ("in flight", {"signup": "in flight", "analytics": "in flight"})
    assert why(connection, CATALOG, ID)["groups"]["signup"]["error"] == "no connection"


def test_a_replay_in_the_outbox_concerns_its_group_only(connection: Connection) -> None:
    add_outbox(connection, names.GROUPS, names.group_key("analytics"))
    assert state(connection) == ("in flight", {"analytics": "in flight"})


def test_a_groups_own_task_has_that_group_only(connection: Connection) -> None:
    add_inbox(connection, "workflow", "processed", type="onboarding.step_due")
    assert state(connection) == ("processed", {"workflow": "processed"})


def test_two_sources_merge_to_the_worst_unless_one_is_named(connection: Connection) -> None:
    for source in ("/a", "/b"):
        add_accepted(connection, source=source)
        add_inbox(connection, "analytics", "processed", source=source)
    add_inbox(connection, "signup", "processed", source="/a")
    add_inbox(connection, "signup", "retrying", source="/b")
    report = why(connection, CATALOG, ID)
    assert (report["sources"], report["source"]) == (["/a", "/b"], None)
    assert state(connection) == ("in flight", {"signup": "in flight", "analytics": "processed"})
    assert report["groups"]["signup"]["source"] == "/b"
    assert state(connection, "/a") == ("processed", {"signup": "processed", "analytics": "processed"})
    assert state(connection, "/c") == ("unknown", {})
