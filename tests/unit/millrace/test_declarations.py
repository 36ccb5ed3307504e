"""What a declaration refuses, in words, and what a catalog knows."""

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace import Catalog, Event, Payload, Retry, Service, WorkerGroup, seconds
from millrace.declarations import RESERVED_NAMES
from millrace.errors import DeclarationError, UnknownEventType
from millrace.functions import LambdaGroup, Topic
from pydantic import ValidationError


def payload(event_type: str, version: int = 1, name: str = "Sample") -> Any:
    """A payload class with one field, which no type checker knows."""
    body = {"__annotations__": {"event_type": ClassVar[str], "schema_version": ClassVar[int], "order_id": str}}
    kind: Any = type(Payload)
    return kind(name, (Payload,), {**body, "event_type": event_type, "schema_version": version})


class Typeless(Payload):
    order_id: str


Ordered = payload("order.placed")
Paid = payload("order.paid")
Step = payload("order.step_due")


def catalog(**changes: Any) -> Catalog:
    """A good catalog, but for the changes."""
    parts: dict[str, Any] = {"events": [Event(Ordered)], "groups": [WorkerGroup("billing", handles=[Ordered])]}
    return Catalog(**{**parts, **changes})


DICT: Any = dict
WRONG: list[tuple[str, Callable[[], object], str]] = [
    (
        "not a payload",
        lambda: Event(DICT),
        "Event's payload must be a subclass of millrace.Payload, got <class 'dict'",
    ),
    ("an instance", lambda: Event(Ordered(order_id="1")), "Event's payload must be a subclass of millrace.Payload"),
    ("no type", lambda: Event(Typeless), "Typeless.event_type must be dotted lower-case words"),
    ("one word", lambda: Event(payload("order")), "Sample.event_type must be dotted lower-case words of at most 120"),
    ("capitals", lambda: Event(payload("Order.placed")), "got 'Order.placed'"),
    ("a wildcard", lambda: Event(payload("order.*")), "Sample.event_type must be without wildcards (they would take"),
    ("a hash", lambda: Event(payload("order.#")), "which are to be parked), got 'order.#'"),
    ("everything", lambda: Event(payload("#")), "Sample.event_type must be without wildcards"),
    ("any word", lambda: WorkerGroup("a", handles=[payload("*")]), "Sample.event_type must be without wildcards"),
    ("an empty word", lambda: Event(payload("order..placed")), "got 'order..placed'"),
    ("a line break", lambda: Event(payload("order.placed\n")), r"got 'order.placed\n'"),
    ("not ASCII", lambda: Event(payload("order.plac\u00e9")), "must be dotted lower-case words"),
    ("too long", lambda: Event(payload("order." + "x" * 115)), "of at most 120 characters"),
    ("version 0", lambda: Event(payload("order.placed", 0)), "Sample.schema_version must be a positive integer, got 0"),
    ("version '1'", lambda: Event(payload("order.placed", "1")), "schema_version must be a positive integer, got '1'"),  # type: ignore[arg-type]
    ("aliases as text", lambda: Event(Ordered, aliases="PLACED"), "aliases must be a sequence of names, got 'PLACED'"),
    ("alias of bytes", lambda: Event(Ordered, aliases=[b"X"]), "order.placed: aliases must be a sequence of names"),  # type: ignore[list-item]
    ("alias wildcard", lambda: Event(Ordered, aliases=["A.*"]), "order.placed: alias must be without wildcards"),
    ("alias of everything", lambda: Event(Ordered, aliases=["#"]), "which are to be parked), got '#'"),
    ("alias with space", lambda: Event(Ordered, aliases=["A B"]), "got 'A B'"),
    ("alias too long", lambda: Event(Ordered, aliases=["A" * 121]), "order.placed: alias must be letters"),
    ("attempts 0", lambda: Retry(attempts=0), "Retry.attempts must be a whole number, 1 to 100, got 0"),
    ("attempts 101", lambda: Retry(attempts=101), "got 101"),
    ("attempts 2.5", lambda: Retry(attempts=2.5), "Retry.attempts must be a whole number"),  # type: ignore[arg-type]
    ("delay as number", lambda: Retry(delay=2), "Retry.delay must be a timedelta, 1 second to 30 days, got 2"),  # type: ignore[arg-type]
    ("delay too short", lambda: Retry(delay=seconds(0.5)), "Retry.delay must be a timedelta, 1 second to 30 days"),
    ("delay too long", lambda: Retry(delay=timedelta(31), longest_delay=timedelta(31)), "1 second to 30 days"),
    ("longest too short", lambda: Retry(longest_delay=seconds(1)), "Retry.longest_delay must be a timedelta between"),
    ("longest too long", lambda: Retry(longest_delay=timedelta(31)), "between Retry.delay and 30 days"),
    ("factor 0.5", lambda: Retry(factor=0.5), "Retry.factor must be 1 to 100, got 0.5"),
    ("factor NaN", lambda: Retry(factor=float("nan")), "Retry.factor must be 1 to 100, got nan"),
    ("factor text", lambda: Retry(factor="3"), "Retry.factor must be 1 to 100, got '3'"),  # type: ignore[arg-type]
    ("jitter 0.6", lambda: Retry(jitter=0.6), "Retry.jitter must be 0 to 0.5, got 0.6"),
    ("handles nothing", lambda: WorkerGroup("a", handles=[]), "a: handles must be at least one payload class, got ()"),
    ("handles a class", lambda: WorkerGroup("a", handles=Ordered), "a: handles must be a sequence of payload classes"),
    ("handles text", lambda: WorkerGroup("a", handles="order.placed"), "must be a sequence of payload classes, got 'o"),  # type: ignore[arg-type]
    ("handles a name", lambda: WorkerGroup("a", handles=["order.placed"]), "must be a sequence of payload classes"),  # type: ignore[list-item]
    ("handles typeless", lambda: WorkerGroup("a", handles=[Typeless]), "Typeless.event_type must be dotted lower-case"),
    ("task typeless", lambda: WorkerGroup("a", handles=[Ordered], tasks=[Typeless]), "Typeless.event_type must be"),
    (
        "runtime as number",
        lambda: WorkerGroup("a", handles=[Ordered], longest_runtime=5),  # type: ignore[arg-type]
        "a: longest_runtime must be a timedelta, 10 milliseconds to 12 hours, got 5",
    ),
    ("no runtime", lambda: WorkerGroup("a", handles=[Ordered], longest_runtime=seconds(0)), "10 milliseconds to 12 h"),
    ("a day", lambda: WorkerGroup("a", handles=[Ordered], longest_runtime=timedelta(1)), "10 milliseconds to 12 hours"),
    ("replicas 4", lambda: WorkerGroup("a", handles=[Ordered], replicas=4), "a: replicas must be (smallest, largest)"),  # type: ignore[arg-type]
    ("replicas (2, 1)", lambda: WorkerGroup("a", handles=[Ordered], replicas=(2, 1)), "got (2, 1)"),
    ("replicas (0, 0)", lambda: WorkerGroup("a", handles=[Ordered], replicas=(0, 0)), "largest >= 1, got (0, 0)"),
    ("replicas (-1, 1)", lambda: WorkerGroup("a", handles=[Ordered], replicas=(-1, 1)), "0 <= smallest"),
    ("retry 5", lambda: WorkerGroup("a", handles=[Ordered], retry=5), "a: retry must be a Retry, got 5"),  # type: ignore[arg-type]
    ("service", lambda: Service("Web App"), "Service's name must be lower-case letters, digits and dashes"),
    ("payload as event", lambda: catalog(events=[Ordered]), "Catalog.events must be a sequence of Events, got <class"),
    ("groups by name", lambda: catalog(groups=["billing"]), "Catalog.groups must be a sequence of WorkerGroups"),
    ("services by name", lambda: catalog(services=["web"]), "Catalog.services must be a sequence of Services"),
    ("one event", lambda: catalog(events=Event(Ordered)), "Catalog.events must be a sequence of Events, got Event("),
    ("event twice", lambda: catalog(events=[Event(Ordered)] * 2), "aliases must be distinct, got ['order.placed']"),
    (
        "alias twice",
        lambda: catalog(events=[Event(Ordered, aliases=["X"]), Event(Paid, aliases=["X"])]),
        "event types and aliases must be distinct, got ['X']",
    ),
    (
        "alias is a type",
        lambda: catalog(events=[Event(Ordered, aliases=["order.paid"]), Event(Paid)]),
        "event types and aliases must be distinct, got ['order.paid']",
    ),
    (
        "group twice",
        lambda: catalog(groups=[WorkerGroup("billing", handles=[Ordered])] * 2),
        "group names must be distinct, got ['billing']",
    ),
    ("service twice", lambda: catalog(services=[Service("web")] * 2), "service names must be distinct, got ['web']"),
    (
        "handled twice",
        lambda: catalog(groups=[WorkerGroup("billing", handles=[Ordered, Ordered])]),
        "billing: handles must be distinct, got ['order.placed']",
    ),
    (
        "unknown event",
        lambda: catalog(groups=[WorkerGroup("billing", handles=[Paid])]),
        "billing: handles must be payload classes of the catalog's events, got <class",
    ),
    (
        "same type, other class",
        lambda: catalog(groups=[WorkerGroup("billing", handles=[payload("order.placed")])]),
        "billing: handles must be payload classes of the catalog's events",
    ),
    (
        "task is an event",
        lambda: catalog(groups=[WorkerGroup("billing", handles=[Ordered], tasks=[Ordered])]),
        "event types, aliases and tasks must be distinct, got ['order.placed']",
    ),
    (
        "task is an alias",
        lambda: catalog(
            events=[Event(Ordered, aliases=["order.step_due"])],
            groups=[WorkerGroup("billing", handles=[Ordered], tasks=[Step])],
        ),
        "event types, aliases and tasks must be distinct, got ['order.step_due']",
    ),
    (
        "task of two groups",
        lambda: catalog(groups=[WorkerGroup(name, handles=[Ordered], tasks=[Step]) for name in ("a", "b")]),
        "event types, aliases and tasks must be distinct, got ['order.step_due']",
    ),
    (
        "type ends in another",
        lambda: catalog(events=[Event(Ordered), Event(payload("big.order.placed"))]),
        "event type 'big.order.placed' must be no longer form of another type, alias or group key, got ['order",
    ),
    (
        "type ends in an alias",
        lambda: catalog(events=[Event(Ordered, aliases=["placed"])]),
        "event type 'order.placed' must be no longer form of another type, alias or group key, got ['placed']",
    ),
    (
        "type is a group's key",
        lambda: catalog(events=[Event(Ordered), Event(payload("group.billing"))]),
        "event types, aliases and group keys must be distinct, got ['group.billing']",
    ),
    (
        "type ends in a group's key",
        lambda: catalog(events=[Event(Ordered), Event(payload("of.group.billing"))]),
        "got ['group.billing']",
    ),
    (
        "idempotent is no word",
        lambda: WorkerGroup("billing", handles=[Ordered], idempotent="yes"),  # type: ignore[arg-type]
        "billing: idempotent must be True or False, got 'yes'",
    ),
    (
        "idempotent without a lane",
        lambda: WorkerGroup("billing", handles=[Ordered], longest_runtime=seconds(0.51), idempotent=True),
        "billing: longest_runtime must be at most 0.5 s where idempotent=True (a pool needs its records), got",
    ),
]


@pytest.mark.parametrize(("make", "message"), [pytest.param(*rest, id=name) for name, *rest in WRONG])
def test_wrong_declarations_are_refused_in_words(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    "name",
    ["", "Billing", "1st", "-a", "a-", "a.b", "a_b", "a b", "a/b", "a\n", "a#", "a*", "\u00e9", "x" * 41, None, 5],
)
def test_group_names_that_the_broker_or_kubernetes_refuse(name: Any) -> None:
    with pytest.raises(DeclarationError, match="WorkerGroup's name must be a DNS label"):
        WorkerGroup(name, handles=[Ordered])


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES | {"celery-extra"}))
def test_group_names_in_use_are_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match="other than the names that Millrace or Celery use"):
        WorkerGroup(name, handles=[Ordered])


def test_a_declaration_error_is_a_value_error() -> None:
    assert issubclass(DeclarationError, ValueError)


def test_declarations_are_frozen() -> None:
    whole = catalog()
    for declared, attribute in (
        (whole, "events"),
        (whole.events[0], "payload"),
        (whole.groups[0], "name"),
        (Retry(), "attempts"),
        (Service("web"), "name"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(declared, attribute, None)


def test_lists_given_become_tuples_so_that_nothing_changes_later() -> None:
    handled = [Ordered]
    group = WorkerGroup("billing", handles=handled)
    handled.append(Paid)
    assert group.handles == (Ordered,)
    assert isinstance(catalog().events, tuple)
    assert Event(Ordered, aliases=["X"]).aliases == ("X",)


def test_all_but_the_subject_of_a_declaration_is_keyword_only() -> None:
    for make in (
        lambda: Event(Ordered, ["X"]),  # type: ignore[call-arg]
        lambda: WorkerGroup("billing", [Ordered]),  # type: ignore[call-arg]
        lambda: Retry(5),  # type: ignore[call-arg]
        lambda: Service("web", True),  # type: ignore[call-arg]
        lambda: Catalog([], []),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError, match="positional argument"):
            make()


def test_payloads_are_frozen_and_refuse_unknown_fields_and_take_camel_case() -> None:
    made = Ordered.model_validate({"orderId": "1"})
    assert made == Ordered(order_id="1")
    with pytest.raises(ValidationError, match="frozen"):
        made.order_id = "2"
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Ordered(order_id="1", total=5)


def test_a_catalog_finds_events_by_type_and_by_alias() -> None:
    event = Event(Ordered, aliases=["PLACED"])
    whole = catalog(events=[event], groups=[WorkerGroup("billing", handles=[Ordered], tasks=[Step])])
    assert whole.event("order.placed") is whole.event("PLACED") is event
    assert whole.payload_class("PLACED") is Ordered
    assert whole.payload_class("order.step_due") is Step
    assert whole.task_owner("order.step_due") is whole.group("billing")
    assert whole.task_owner("order.placed") is None
    assert whole.groups_for("order.placed") == (whole.group("billing"),)
    assert whole.groups_for("order.paid") == ()


def test_a_catalog_names_what_it_does_not_know() -> None:
    with pytest.raises(UnknownEventType, match=r"type: must be an event type of the catalog, got 'order\.lost'"):
        catalog().event("order.lost")
    with pytest.raises(UnknownEventType):
        catalog().event("order.step_due")
    with pytest.raises(KeyError):
        catalog().group("nobody")


@given(
    attempt=st.integers(1, 1000),
    delay=st.floats(1, 3600),
    factor=st.floats(1, 100),
    jitter=st.floats(0, 0.5),
    spread=st.floats(0, 86_400),
)
def test_a_retry_waits_within_its_jitter(
    attempt: int, delay: float, factor: float, jitter: float, spread: float
) -> None:
    retry = Retry(delay=seconds(delay), factor=factor, longest_delay=seconds(delay + spread), jitter=jitter)
    first, longest = retry.delay.total_seconds(), retry.longest_delay.total_seconds()
    waited = retry.delay_after(attempt)
    assert isinstance(waited, int)
    assert max(1, first * (1 - jitter) - 0.5) <= waited <= longest * (1 + jitter) + 0.5


def test_a_retry_without_jitter_grows_by_its_factor_up_to_its_longest_delay() -> None:
    retry = Retry(delay=seconds(2), factor=3, longest_delay=seconds(60), jitter=0)
    assert [retry.delay_after(attempt) for attempt in range(1, 7)] == [2, 6, 18, 54, 60, 60]


def test_a_catalog_without_aws_is_the_same_but_for_that() -> None:
    groups = [WorkerGroup("billing", handles=[Ordered])]
    whole = Catalog(
        events=[Event(Ordered, aliases=["ORDER"], public=Topic("orders")), Event(Paid, forwarded=Topic())],
        groups=groups,
        services=[Service("web")],
        functions=[LambdaGroup("ledger", handles=[Ordered])],
    )
    assert whole.uses_aws
    assert whole.without_aws() == Catalog(
        events=[Event(Ordered, aliases=["ORDER"]), Event(Paid)], groups=groups, services=[Service("web")]
    )


def test_a_lambda_group_says_whether_it_has_a_database() -> None:
    assert LambdaGroup("ledger", handles=[Ordered]).database is False
    assert LambdaGroup("ledger", handles=[Ordered], database=True).database is True
    with pytest.raises(DeclarationError, match="ledger: database must be True or False"):
        LambdaGroup("ledger", handles=[Ordered], database="yes")  # type: ignore[arg-type]
