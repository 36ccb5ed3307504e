"""The command against a running stack."""

import json

from millrace import seal

from tests.integration.conftest import GROUPS
from tests.integration.operations.conftest import Millrace
from tests.integration.workers.sample_catalog import OrderPlaced
from tests.integration.workers.stack import Stack, until

#: More than one round of confirms.
MANY = 600


def state(millrace: Millrace, event_id: str) -> str:
    return str(json.loads(millrace("why", event_id, "--json").stdout)["state"])


def processed_by(millrace: Millrace, event_id: str) -> set[str]:
    """The groups that are done; which groups have a part is known once the keeper has indexed the event."""
    groups = json.loads(millrace("why", event_id, "--json").stdout)["groups"]
    return {name for name, group in groups.items() if group["outcome"] == "processed"}


def published(millrace: Millrace, type_: str = "order.placed", **data: str) -> str:
    result = millrace("publish", type_, "--data", json.dumps(data), "--json")
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["id"])


def test_an_event_is_published_and_followed(millrace: Millrace) -> None:
    event_id = published(millrace, order_id="o-1")
    until(lambda: processed_by(millrace, event_id) == set(GROUPS), what="the event processed by every group")
    assert state(millrace, event_id) == "processed"


def test_the_same_id_is_absorbed(millrace: Millrace, stack: Stack) -> None:
    arguments = ("publish", "order.placed", "--data", '{"order_id": "o-2"}', "--id", "twice", "--json")
    assert [json.loads(millrace(*arguments).stdout)["id"] for _ in range(2)] == ["twice", "twice"]
    until(lambda: processed_by(millrace, "twice") == set(GROUPS), what="the event processed by every group")
    assert len(stack.effects("ledger", "o-2")) == 1


def test_what_no_group_takes_is_parked_and_listed_the_same_each_time(millrace: Millrace) -> None:
    ids = [published(millrace, "order.shipped", order_id=f"p-{number}") for number in range(3)]
    until(lambda: all(state(millrace, event_id) == "parked" for event_id in ids), what="the events parked")

    def listed() -> list[str]:
        return [letter["event_id"] for letter in json.loads(millrace("parked", "list", "--json").stdout)]

    until(lambda: set(ids) <= set(listed()), what="the events in the list")
    first = listed()
    assert [listed() for _ in range(5)] == [first] * 5
    assert millrace("alerts").exit_code == 1


def test_many_are_published_from_lines(millrace: Millrace) -> None:
    lines = "".join(json.dumps({"order_id": f"many-{number}"}) + "\n" for number in range(MANY))
    result = millrace("publish", "order.shipped", "--data", "-", "--json", stdin=lines)
    assert result.exit_code == 0, result.output
    ids = json.loads(result.stdout)["ids"]
    assert len(set(ids)) == MANY
    until(lambda: state(millrace, ids[-1]) == "parked", seconds=60, what="the last event parked")


def test_status_shows_groups_and_letters(millrace: Millrace) -> None:
    def seen() -> dict[str, int]:
        report = json.loads(millrace("status", "--json").stdout)
        assert set(report["groups"]) == set(GROUPS)
        return dict(report["groups"]["ledger"])

    until(lambda: seen()["consumers"] == 1 and seen()["ready"] == 0, what="one consumer and nothing waiting")
    assert "ledger" in millrace("status").output


def test_a_dead_letter_is_shown_with_all_that_is_known(millrace: Millrace, stack: Stack) -> None:
    """Cause, attempts, stack, the worker that gave up, and the trace that its event belongs to."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    failing = OrderPlaced(order_id="traced", how="never")
    with stack.publisher() as publisher:
        publisher.publish(seal(failing, source="/web", id="traced", traceparent=f"00-{trace}-b7ad6b7169203331-01"))

    def listed() -> list[str]:
        letters = json.loads(millrace("dead-letters", "list", "--json").stdout)
        return [str(letter["id"]) for letter in letters if letter["event_id"] == "traced"]

    (letter_id,) = until(listed, what="the dead letter")
    found = json.loads(millrace("dead-letters", "show", letter_id, "--json").stdout)
    assert (found["cause"], found["attempts"]) == ("permanent", 1)
    assert 'raise Permanent("cannot be done")' in found["stack"]
    assert found["worker"].startswith("flaky:")
    text = millrace("dead-letters", "show", letter_id).output
    shown = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    assert (shown["cause"].strip(), shown["attempts"].strip()) == ("permanent", "1")
    assert shown["worker"].strip() == found["worker"]
    assert trace in shown["traceparent"]
    assert 'raise Permanent("cannot be done")' in text


def test_an_unreadable_broker_is_told(millrace: Millrace) -> None:
    result = millrace("status", MILLRACE_MONITORING_URL="http://nobody:x@127.0.0.1:1")
    assert (result.exit_code, "is the broker running" in result.stderr) == (3, True)
