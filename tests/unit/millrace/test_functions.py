"""What the catalog declares at AWS: what is refused, in words, and what a catalog knows of it."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from millrace import Catalog, Event, LambdaGroup, PlainFunction, Topic, WorkerGroup, seconds
from millrace.errors import DeclarationError
from millrace.events import AccountCreated, UserSignedUp

WITH_TOPIC = Event(UserSignedUp, public=Topic("MyTopic"))
EVENTS = (WITH_TOPIC, Event(AccountCreated))
HANDLER = "consumer.lambda_handler"
WRONG: list[tuple[str, Callable[[], object], str]] = [
    ("a topic's dot", lambda: Topic("my.topic"), "Topic's name must be at most 256 letters, digits, dashes"),
    ("a FIFO topic", lambda: Topic("orders.fifo"), "Topic's name must be at most 256 letters"),
    ("public by name", lambda: Event(UserSignedUp, public="MyTopic"), "user.signed_up: public must be a Topic"),  # type: ignore[arg-type]
    (
        "in and out",
        lambda: Event(UserSignedUp, public=Topic(), forwarded=Topic()),
        "user.signed_up: forwarded must be unset where the type is public (what goes out would come in)",
    ),
    ("a capital", lambda: LambdaGroup("Audit", handles=[UserSignedUp]), "LambdaGroup's name must be lower-case"),
    ("a long name", lambda: LambdaGroup("a" * 31, handles=[UserSignedUp]), "digits and dashes, at most 30"),
    ("nothing", lambda: LambdaGroup("a", handles=[]), "a: handles must be at least one payload class"),
    ("text", lambda: LambdaGroup("a", handles=["x"]), "a: handles must be a sequence of payload classes"),  # type: ignore[list-item]
    (
        "longer than Lambda",
        lambda: LambdaGroup("a", handles=[UserSignedUp], longest_runtime=timedelta(minutes=11)),
        "a: longest_runtime must be a timedelta, 10 ms to 10 minutes",
    ),
    ("little memory", lambda: LambdaGroup("a", handles=[UserSignedUp], memory=64), "a: memory must be whole MiB, 128"),
    ("one copy", lambda: LambdaGroup("a", handles=[UserSignedUp], concurrency=1), "a whole number, 2 to 1000, got 1"),
    ("attempts", lambda: LambdaGroup("a", handles=[UserSignedUp], retry=3), "a: retry must be a Retry, got 3"),  # type: ignore[arg-type]
    ("a plain list", lambda: PlainFunction("p", handles=[UserSignedUp], handler=HANDLER), "p: handles must be a pay"),  # type: ignore[arg-type]
    ("a file", lambda: PlainFunction("p", handles=UserSignedUp, handler="consumer.py:f"), "p: handler must be module"),
    (
        "no time",
        lambda: PlainFunction("p", handles=UserSignedUp, handler=HANDLER, timeout=seconds(0.5)),
        "p: timeout must be a timedelta, 1 second to 15 minutes",
    ),
]


@pytest.mark.parametrize(("declare", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_wrong_declarations_are_refused_in_words(declare: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(message)):
        declare()


def catalog(*functions: Any, events: Any = EVENTS) -> Catalog:
    return Catalog(events=events, groups=[WorkerGroup("signup", handles=[UserSignedUp])], functions=functions)


def test_a_function_takes_only_events_that_come_through_a_topic() -> None:
    expected = "audit: handles must be payload classes of events that are public or forwarded"
    with pytest.raises(DeclarationError, match=expected):
        catalog(LambdaGroup("audit", handles=[AccountCreated]))
    events = [WITH_TOPIC, Event(AccountCreated, forwarded=Topic())]
    catalog(LambdaGroup("audit", handles=[AccountCreated]), events=events)


def test_functions_groups_and_topics_have_names_of_their_own() -> None:
    with pytest.raises(DeclarationError, match="group names must be distinct, got \\['signup'\\]"):
        catalog(LambdaGroup("signup", handles=[UserSignedUp]))
    with pytest.raises(DeclarationError, match="function outward must be no name of Millrace's own"):
        catalog(LambdaGroup("outward", handles=[UserSignedUp]))
    with pytest.raises(DeclarationError, match="names of topics must be distinct, got \\['MyTopic'\\]"):
        catalog(events=[WITH_TOPIC, Event(AccountCreated, forwarded=Topic("MyTopic"))])
    with pytest.raises(DeclarationError, match="audit: handles must be distinct"):
        catalog(LambdaGroup("audit", handles=[UserSignedUp, UserSignedUp]))


def test_a_catalog_knows_its_functions_by_type_and_by_name() -> None:
    audit = LambdaGroup("audit", handles=[UserSignedUp])
    plain = PlainFunction("plain", handles=UserSignedUp, handler=HANDLER)
    known = catalog(audit, plain)
    assert known.functions_for("user.signed_up") == (audit, plain)
    assert known.functions_for("account.created") == ()
    assert known.lambda_groups == (audit,)
    assert known.lambda_group("audit") is audit
    with pytest.raises(KeyError):
        known.lambda_group("plain")


def test_a_catalog_without_topics_and_functions_has_nothing_at_aws() -> None:
    assert not catalog(events=[Event(UserSignedUp)]).uses_aws
    assert catalog().uses_aws
    assert catalog(events=[Event(UserSignedUp, forwarded=Topic())]).uses_aws
