"""Every outcome of a record, with real queues and tables."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from tests.integration.workers.functions.world import Context, World, cloud_event
from workers.aws_lambda import Function, MustComeAgain
from workers.functions.inboxes import DynamoInbox
from workers.functions.outbox import message_of
from workers.functions.records import records_of
from workers.overrun import interrupted_after
from workers.stores.store import Outcome, StoreUnavailable


def call(world: World, function: Function | None = None, **context: Any) -> tuple[list[str], list[str]]:
    """Call the function with what is in its queue: the bodies that were settled, and those that were not."""
    records = world.receive()
    if not records:
        return [], []
    answer = (function or world.function()).call({"Records": records}, Context(**context))
    assert answer is not None
    failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
    for record in records:
        if record["messageId"] not in failed:
            world.sqs.delete_message(QueueUrl=world.queue, ReceiptHandle=record["receiptHandle"])
    kept = [each["body"] for each in records if each["messageId"] in failed]
    return [each["body"] for each in records if each["messageId"] not in failed], kept


def state(world: World, id_: str, function: Function | None = None) -> tuple[str, int]:
    """What is on record of an event of this test."""
    inbox = (function or world.function()).running.attempts.inbox
    assert isinstance(inbox, DynamoInbox)
    recorded = inbox._store.look("parts", "/test", id_)
    assert recorded is not None
    return recorded.state, recorded.attempts


def test_processed_and_absorbed(parts: World, capfd: pytest.CaptureFixture[str]) -> None:
    """The second delivery of an event has no effect, and a line of metrics counts both."""
    event = cloud_event("1", "bolt")
    parts.send(event, event)
    assert call(parts) == ([event, event], [])
    assert (parts.effects(), state(parts, "1")) == (["bolt"], ("processed", 1))
    told = json.loads(next(line for line in capfd.readouterr().out.splitlines() if "_aws" in line))
    assert (told["Group"], told["Processed"], told["Absorbed"], len(told["Milliseconds"])) == ("parts", 1, 1, 1)


def test_the_same_event_20_times_in_parallel(parts: World) -> None:
    """One has the effect; what comes while it runs comes again, and is absorbed."""
    event = cloud_event("1", "bolt")
    parts.send(*[event] * 20)
    batches = [parts.receive(1) for _ in range(20)]
    function = parts.function()
    attempts = replace(function.running.attempts, limit=nullcontext)  # a signal can interrupt the main thread only
    running = replace(function.running, attempts=attempts)
    answers: list[Any] = []
    start = threading.Barrier(20)

    def deliver(records: list[dict[str, Any]]) -> None:
        start.wait()
        answers.append(replace(function, running=running).call({"Records": records}, Context()))

    threads = [threading.Thread(target=deliver, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert all(answer is not None for answer in answers)
    assert parts.effects() == ["bolt"]
    assert state(parts, "1") == ("processed", 1)


def test_a_conflict(parts: World) -> None:
    """The same id with another payload is a dead letter, and has no effect."""
    parts.send(cloud_event("1", "bolt"))
    call(parts)
    parts.send(cloud_event("1", "nut"))
    _, kept = call(parts)
    assert (kept, parts.effects()) == ([], ["bolt"])
    (letter,) = parts.letters()
    assert (letter["cause"], json.loads(letter["body"])["data"]["part"]) == ("conflict", "nut")
    assert state(parts, "1") == ("processed", 1)


@pytest.mark.parametrize(
    ("bad", "cause", "said"),
    [
        ("{", "invalid", "must be JSON"),
        (cloud_event("2", type="part.lost"), "unknown event type", "must be an event type of the catalog"),
        (cloud_event("2", type="part.stored", data={"part": "x"}), "invalid", "is not handled by parts"),
        (cloud_event("2", part="x" * 70_000), "oversized", "must be at most 65536 bytes"),
        (json.dumps({"eventType": "PART_SEEN", "part": "bolt"}), "no id", "must be given beside a plain event"),
        (cloud_event("2", dataschema="urn:millrace:part.seen:2"), "unknown dataschema", "part.seen:2"),
        (cloud_event("2", data={"part": 7}), "invalid", "data.part"),
    ],
)
def test_one_bad_record_fails_no_other(parts: World, bad: str, cause: str, said: str) -> None:
    """It becomes a dead letter with its bytes and its reason."""
    good = [cloud_event(str(number), f"bolt{number}") for number in (1, 3)]
    parts.send(good[0], bad, good[1])
    settled, kept = call(parts)
    assert (sorted(settled), kept) == (sorted([*good, bad]), [])
    assert sorted(parts.effects()) == ["bolt1", "bolt3"]
    (letter,) = parts.letters()
    assert (letter["cause"], letter["body"], letter["attempts"]) == (cause, bad, "0")
    assert said in letter["error"]


def test_a_retry_then_success(parts: World) -> None:
    """The failed record comes back after the retry's delay; its call outside is not made again."""
    event = cloud_event("1", "bolt", "fails once")
    parts.send(event)
    assert call(parts) == ([], [event])
    assert state(parts, "1") == ("retrying", 1)
    assert until_settled(parts) == [event]
    assert (parts.effects(), state(parts, "1"), parts.letters()) == (["bolt"], ("processed", 2), [])


def until_settled(world: World, calls: int = 60) -> list[str]:
    """Call the function until something was settled: the queue is looked at for a second each time."""
    function = world.function()
    for _ in range(calls):
        settled, _kept = call(world, function)
        if settled:
            return settled
    raise AssertionError("nothing came back")


def test_attempts_are_exhausted(parts: World) -> None:
    """The last failure is the dead letter's."""
    parts.send(cloud_event("1", "bolt", "fails"))
    call(parts)
    until_settled(parts)
    (letter,) = parts.letters()
    assert (letter["cause"], letter["error"], letter["attempts"]) == ("attempts exhausted", "RuntimeError: never", "3")
    assert state(parts, "1") == ("dead-lettered", 3)


def test_what_a_handler_calls_at_aws_is_its_own_failure(parts: World) -> None:
    """No outage of the inbox: it is retried as any failure is, and its dead letter says what it was."""
    parts.send(cloud_event("1", "bolt", "is refused by AWS"))
    call(parts)
    assert state(parts, "1") == ("retrying", 1)
    until_settled(parts)
    (letter,) = parts.letters()
    assert (letter["cause"], letter["attempts"]) == ("attempts exhausted", "3")
    assert "AccessDenied" in letter["error"]


def test_a_dead_letter_that_sqs_does_not_take(parts: World) -> None:
    """The event stays, no handler runs again, and it is said who refused."""
    parts.send(cloud_event("1", "bolt", "is permanent"))
    function = parts.function(dead_queue_url=f"{parts.dead}-gone")
    (record,) = records_of({"Records": parts.receive()})
    settled = function.running.handle(record, "owner")
    assert (settled.again, state(parts, "1")) == (True, ("running", 3))
    assert "SQS takes no dead letter" in (settled.report.note or "")


def test_a_permanent_failure(parts: World) -> None:
    """It is dead at once, with its stack; a second delivery is absorbed."""
    event = cloud_event("1", "bolt", "is permanent")
    parts.send(event)
    assert call(parts) == ([event], [])
    (letter,) = parts.letters()
    assert (letter["cause"], letter["error"], letter["attempts"]) == ("permanent", "Permanent: it is broken?", "1")
    assert "store_part" in letter["stack"]
    assert letter["generation"] == "0"
    assert len(letter["letter"]) == 64
    assert json.loads(letter["body"])["id"] == "1"
    parts.send(event)
    assert call(parts) == ([event], [])
    assert parts.letters() == []


def test_a_dead_letter_that_was_not_recorded(parts: World) -> None:
    """The next delivery buries the event again, and runs no handler."""
    event = cloud_event("1", "bolt", "is permanent")
    parts.send(event)
    function = parts.function()
    assert isinstance(function.running.attempts.inbox, DynamoInbox)
    store = function.running.attempts.inbox._store
    with mock.patch.object(store, "complete", side_effect=StoreUnavailable("cut")):
        assert call(parts, function) == ([], [event])
    (first,) = parts.letters()
    client = store._client
    key = {"key": {"S": '["parts", "/test", "1"]'}}
    token = client.get_item(TableName=store._table, Key=key)["Item"]["token"]["S"]
    store._mark_over(key["key"]["S"], token)  # as if its lease had been seen through
    parts.marks.unlink()
    parts.send(event)
    assert call(parts, function) == ([event], [])
    (second,) = parts.letters()
    assert parts.effects() == []
    assert (second["cause"], second["error"]) == ("attempts exhausted", first["error"])
    assert second["letter"] == first["letter"], "they are one letter in the table"
    assert state(parts, "1")[0] == "dead-lettered"


def test_a_replay_reopens_a_dead_letter(parts: World) -> None:
    """A higher generation than is on record runs again; one that is none is refused."""
    event = cloud_event("1", "bolt", "is permanent")
    parts.send(event)
    call(parts)
    parts.letters()
    parts.send(event, generation="1")
    call(parts)
    assert [letter["generation"] for letter in parts.letters()] == ["1"]
    parts.send(event, generation="one")
    call(parts)
    assert [letter["cause"] for letter in parts.letters()] == ["invalid"]


def test_a_replay_that_meets_an_older_release_can_be_replayed_again(parts: World) -> None:
    """Its letter keeps the generation: another replay from it opens the inbox, which knows the one before."""
    event = cloud_event("1", "bolt", "is permanent")
    parts.send(event, generation="1")
    call(parts)
    parts.letters()
    parts.send(cloud_event("1", "bolt", "is permanent", dataschema="urn:millrace:part.seen:2"), generation="2")
    call(parts)
    (letter,) = parts.letters()
    assert (letter["cause"], letter["generation"]) == ("unknown dataschema", "2")


def test_a_discarded_event(parts: World) -> None:
    """Its reason is on record, and it is settled."""
    parts.send(cloud_event("1", "bolt", "discards"))
    _, kept = call(parts)
    assert (kept, state(parts, "1")) == ([], ("discarded", 1))


def test_too_long_a_handler_is_interrupted(parts: World) -> None:
    """Its time is its group's; the event is tried again."""
    function = parts.function()
    attempts = replace(function.running.attempts, limit=partial(interrupted_after, 0.5))
    hurried = replace(function, running=replace(function.running, attempts=attempts))
    event = cloud_event("1", "bolt", "sleeps")
    parts.send(event)
    assert call(parts, hurried) == ([], [event])
    assert state(parts, "1") == ("retrying", 1)


def test_what_is_published_commits_with_the_outcome(parts: World) -> None:
    """In the order in which it was published, with the trace of the event that caused it."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    parts.send(cloud_event("1", "bolt", "publishes", traceparent=trace))
    call(parts)
    messages = [message_of(item) for item in parts.outbox()]
    events = [json.loads(message.body) for message in messages]
    assert [event["data"]["part"] for event in events] == ["bolt", "bolt's other"]
    assert {event["traceparent"] for event in events} == {trace}
    assert {(message.exchange, message.routing_key) for message in messages} == {("in", "part.stored")}
    assert [message.message_id for message in messages] == [event["id"] for event in events]


def test_nothing_is_published_without_the_outcome(parts: World) -> None:
    """The transaction fails: neither is there, and the event comes again."""
    event = cloud_event("1", "bolt", "publishes")
    parts.send(event)
    function = parts.function()
    assert isinstance(function.running.attempts.inbox, DynamoInbox)
    client = function.running.attempts.inbox._store._client
    lost = ClientError({"Error": {"Code": "InternalServerError"}}, "TransactWriteItems")
    with mock.patch.object(client, "transact_write_items", side_effect=lost):
        assert call(parts, function) == ([], [event])
    assert (parts.outbox(), state(parts, "1")) == ([], ("running", 1))


def test_a_stale_holder_completes_nothing(parts: World) -> None:
    """Its claim was taken over: neither its outcome nor what it published is kept, and its message stays."""
    event = cloud_event("1", "bolt", "publishes")
    parts.send(event)
    function = parts.function()
    inbox = function.running.attempts.inbox
    assert isinstance(inbox, DynamoInbox)
    original = inbox._store.complete_with

    def overtaken(held: Any, outcome: Outcome, table: str, items: Any) -> None:
        newer = replace(held.request, token="another")
        assert (
            inbox._store._change(
                '["parts", "/test", "1"]', {"token": held.request.token}, {"token": newer.token, "fence": "2"}
            )
            is None
        )
        original(held, outcome, table, items)

    with mock.patch.object(inbox._store, "complete_with", overtaken):
        assert call(parts, function) == ([], [event])
    assert (parts.outbox(), state(parts, "1")[0]) == ([], "running")


def test_a_second_answer_to_the_same_transaction(parts: World) -> None:
    """boto3 repeats a request whose answer was lost, with the same token: it is made once."""
    parts.send(cloud_event("1", "bolt", "publishes"))
    function = parts.function()
    inbox = function.running.attempts.inbox
    assert isinstance(inbox, DynamoInbox)
    client = inbox._store._client
    sent: list[str] = []

    def note(request: Any, **_: Any) -> None:
        sent.append(json.loads(request.body)["ClientRequestToken"])

    client.meta.events.register("before-send.dynamodb.TransactWriteItems", note)
    call(parts, function)
    assert len(sent) == 1
    assert len(parts.outbox()) == 2


def test_more_than_a_transaction_holds(parts: World) -> None:
    """It can never commit, so it is permanent."""
    parts.send(cloud_event("1", "bolt", "publishes too much"))
    call(parts)
    assert [letter["cause"] for letter in parts.letters()] == ["permanent"]


def test_execute_has_no_database(parts: World) -> None:
    """It says so, in a dead letter."""
    parts.send(cloud_event("1", "bolt", "executes"))
    call(parts)
    (letter,) = parts.letters()
    assert letter["cause"] == "permanent"
    assert "work.execute must have a database" in letter["error"]


def test_busy_while_another_runs(parts: World) -> None:
    """A copy of an event that runs is not settled before that has ended."""
    event = cloud_event("1", "bolt", "publishes")
    parts.send(event)
    function = parts.function()
    with (
        mock.patch.object(function.running.attempts.inbox, "complete", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        call(parts, function)
    parts.send(event)
    assert call(parts) == ([], [event])
    assert state(parts, "1") == ("running", 1)


def test_the_time_is_nearly_over(parts: World) -> None:
    """What cannot be handled any more is given back unbegun, and comes at once."""
    event = cloud_event("1", "bolt")
    parts.send(event)
    assert call(parts, milliseconds=1_000) == ([], [event])
    assert parts.effects() == []
    assert call(parts) == ([event], [])
    assert state(parts, "1") == ("processed", 1)


def test_the_store_is_out(parts: World) -> None:
    """Nothing is counted, nothing is dead, the message stays."""
    event = cloud_event("1", "bolt")
    parts.send(event)
    nowhere = "dynamodb://nothing?region=us-east-1&endpoint=http://127.0.0.1:9"
    assert call(parts, parts.function(inbox_url=nowhere)) == ([], [event])
    assert (parts.effects(), parts.letters()) == ([], [])


def test_no_place_for_a_dead_letter(parts: World) -> None:
    """The bad record stays until it can be buried; the good one is settled."""
    good = cloud_event("1", "bolt")
    parts.send(good, "{")
    assert call(parts, parts.function(dead_queue_url=f"{parts.dead}-gone")) == ([good], ["{"])


def sns_record(id_: str, text: str) -> dict[str, Any]:
    """A record as Lambda has it from SNS."""
    topic = "arn:aws:sns:us-east-1:1:PartSeen"
    return {"EventSource": "aws:sns", "Sns": {"MessageId": id_, "TopicArn": topic, "Message": text}}


def test_sns_and_eventbridge_come_again_if_the_call_fails(parts: World) -> None:
    """There is no other way to say it; the rest of the records is settled before."""
    message = json.dumps({"eventType": "PART_SEEN", "part": "bolt", "how": "fails once"})
    other = json.dumps({"eventType": "PART_SEEN", "part": "nut"})
    records = [sns_record("m1", message), sns_record("m2", other)]
    function = parts.function()
    with pytest.raises(MustComeAgain):
        function.call({"Records": records}, Context())
    assert parts.effects() == ["bolt", "nut"]
    assert function.call({"Records": records}, Context()) is None
    assert parts.effects() == ["bolt", "nut"]
    event = {"id": "e1", "source": "com.example", "detail-type": "PART_SEEN", "detail": {"part": "washer"}}
    assert function.call(event, Context()) is None
    assert parts.effects() == ["bolt", "nut", "washer"]
