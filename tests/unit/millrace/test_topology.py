"""The topology as data: the delays are kombu's, and no user can do more than it must."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from kombu import Connection
from kombu.transport.native_delayed_delivery import declare_native_delayed_delivery_exchanges_and_queues
from millrace import Catalog, Event, WorkerGroup, names
from millrace.broker_parts import Topology, User
from millrace.catalog import CATALOG
from millrace.derived import timing
from millrace.events import AccountCreated, UserSignedUp
from millrace.topology import delays, group_policy, group_topology, stamps, topology

VHOST = "millrace-test"
#: Every name is a prefix, a suffix or a near miss of another one.
CLOSE = Catalog(
    events=[Event(UserSignedUp, aliases=["USER_SIGNUP"]), Event(AccountCreated)],
    groups=[
        WorkerGroup(name, handles=[UserSignedUp]) for name in ("sign", "signup", "sign-up", "up", "signup2", "asign")
    ],
)
NAMES = [group.name for group in CLOSE.groups]
OTHERS = [(one, other) for one in NAMES for other in NAMES if one != other]


class RecordingChannel:
    """Writes down what kombu's entities ask of a channel."""

    def __init__(self) -> None:
        self.exchanges: dict[str, str] = {}
        self.queues: dict[str, dict[str, Any]] = {}
        self.bindings: set[tuple[str, str, str, bool]] = set()

    def exchange_declare(self, *, exchange: str, type: str, durable: bool, auto_delete: bool, **_: object) -> None:
        assert (durable, auto_delete) == (True, False)
        self.exchanges[exchange] = type

    def queue_declare(self, *, queue: str, durable: bool, arguments: dict[str, Any], **rest: object) -> None:
        assert (durable, rest["exclusive"], rest["auto_delete"]) == (True, False, False)
        self.queues[queue] = arguments

    def queue_bind(self, *, queue: str, exchange: str, routing_key: str, **_: object) -> None:
        self.bindings.add((exchange, queue, routing_key, False))

    def exchange_bind(self, *, destination: str, source: str, routing_key: str, **_: object) -> None:
        self.bindings.add((source, destination, routing_key, True))

    def prepare_queue_arguments(self, arguments: dict[str, Any], **_: object) -> dict[str, Any]:
        return arguments


class RecordingConnection(Connection):
    """A connection whose only channel writes down."""

    def __init__(self, channel: RecordingChannel) -> None:
        super().__init__("memory://")  # type: ignore[no-untyped-call]
        self.only = channel

    def channel(self) -> RecordingChannel:
        return self.only


def test_the_delays_are_just_what_kombu_would_declare() -> None:
    channel = RecordingChannel()
    declare_native_delayed_delivery_exchanges_and_queues(RecordingConnection(channel), "quorum")
    ours = delays()
    celerys = {exchange.name: exchange.kind for exchange in ours.exchanges if exchange.name != names.DELAY}
    assert celerys == channel.exchanges
    assert {queue.name: {**queue.arguments, "x-queue-type": queue.kind} for queue in ours.queues} == channel.queues
    bindings = {(each.source, each.destination, each.key, each.to_exchange) for each in ours.bindings}
    assert {binding for binding in bindings if binding[0] != names.DELAY} == channel.bindings


def test_a_topology_declares_nothing_twice_and_binds_only_what_it_declares() -> None:
    for catalog in (CATALOG, CLOSE):
        whole = topology(catalog, VHOST)
        exchanges = [exchange.name for exchange in whole.exchanges]
        queues = [queue.name for queue in whole.queues]
        for several in (exchanges, queues, [p.name for p in whole.policies], [u.name for u in whole.users]):
            assert len(several) == len(set(several))
        assert len(whole.bindings) == len(set(whole.bindings))
        for binding in whole.bindings:
            assert binding.source in exchanges
            assert binding.destination in (exchanges if binding.to_exchange else queues)


def test_only_the_delays_fix_arguments_of_a_queue() -> None:
    levels = {names.delay_level(level) for level in range(names.DELAY_LEVELS)}
    assert {queue.name for queue in topology(CATALOG, VHOST).queues if queue.arguments} == levels


def test_a_policy_matches_its_target_only_and_no_target_has_two() -> None:
    whole = topology(CLOSE, VHOST)
    everything = [queue.name for queue in whole.queues] + [exchange.name for exchange in whole.exchanges]
    for policy in whole.policies:
        assert {name for name in everything if re.search(policy.pattern, name)} == {policy.target}
    targets = [(policy.target, policy.apply_to) for policy in whole.policies]
    assert len(targets) == len(set(targets))


def test_every_group_queue_dead_letters_at_least_once_to_its_own_dead_queue() -> None:
    whole = topology(CATALOG, VHOST)
    for group in CATALOG.groups:
        policy = next(p for p in whole.policies if p.target == names.group_queue(group.name)).definition
        assert policy["dead-letter-strategy"] == "at-least-once"
        assert policy["overflow"] == "reject-publish"
        reached = [
            binding.destination
            for binding in whole.bindings
            if (binding.source, binding.key) == (policy["dead-letter-exchange"], policy["dead-letter-routing-key"])
        ]
        assert reached == [names.dead_queue(group.name)]


def test_a_groups_queue_is_reached_by_its_types_aliases_and_own_key_with_and_without_delay() -> None:
    whole = topology(CATALOG, VHOST)
    keys = {(b.source, b.key) for b in whole.bindings if b.destination == "signup"}
    direct = {(names.EVENTS, "user.signed_up"), (names.EVENTS, "USER_SIGNUP"), (names.GROUPS, "group.signup")}
    delayed = {(names.DELAY_EXIT, f"#.{key}") for _, key in direct}
    assert keys == direct | delayed


def test_a_delayed_retry_comes_back_to_its_own_group_only() -> None:
    key = names.delayed_key(5, names.group_key("sign"))
    exits = [b for b in topology(CLOSE, VHOST).bindings if b.source == names.DELAY_EXIT]
    reached = [b.destination for b in exits if key.endswith(b.key.removeprefix("#"))]
    assert reached == ["sign"]


@pytest.mark.parametrize("seconds", [1, 2, 5, 600, 2**27, 2**28 - 1])
def test_a_delay_begins_at_its_highest_level_at_once(seconds: int) -> None:
    """By one exchange; by Celery's own way in, it comes to the same queue through the exchange of each level above."""
    bindings = topology(CLOSE, VHOST).bindings
    key = names.delayed_key(seconds, names.group_key("sign"))

    def reached(exchange: str) -> list[str]:
        matching = [b for b in bindings if b.source == exchange and matches(b.key, key)]
        return [q for b in matching for q in (reached(b.destination) if b.to_exchange else [b.destination])]

    assert reached(names.DELAY) == reached(names.DELAY_ENTRY) == [names.delay_level(seconds.bit_length() - 1)]


def matches(pattern: str, key: str) -> bool:
    """Whether a topic binding that may end in `#` takes a key."""
    words, parts = pattern.removesuffix("#").rstrip(".").split("."), key.split(".")
    return len(parts) >= len(words) and all(word in ("*", part) for word, part in zip(words, parts, strict=False))


def user_of(group: str) -> User:
    return group_topology(CLOSE, CLOSE.group(group), VHOST).users[0]


def writes(user: User, exchange: str, key: str) -> bool:
    """Whether RabbitMQ would let a user publish: by exchange, then by key where a topic permission is set."""
    topics = [topic for topic in user.topics if topic.exchange == exchange]
    return bool(re.search(user.write, exchange)) and all(re.search(topic.write, key) for topic in topics)


@pytest.mark.parametrize("group", NAMES)
def test_a_groups_user_may_do_its_work(group: str) -> None:
    user, key = user_of(group), names.group_key(group)
    control = f"{names.node_name(group, '0f3a', 'host')}.celery.pidbox"
    assert re.search(user.read, names.group_queue(group))
    assert writes(user, names.DEAD, key)
    assert writes(user, names.DELAY, names.delayed_key(2**28 - 1, key))
    assert writes(user, names.CELERY_EVENTS, "worker.heartbeat")
    assert all(re.search(allowed, control) for allowed in (user.configure, user.read, user.write))


@pytest.mark.parametrize(("group", "other"), OTHERS)
def test_a_groups_user_may_not_touch_another_group(group: str, other: str) -> None:
    user, key = user_of(group), names.group_key(other)
    control = f"{names.node_name(other, '0f3a', 'host')}.celery.pidbox"
    for name in (names.group_queue(other), names.dead_queue(other), names.dead_queue(group), control):
        assert not re.search(user.read, name)
        assert not re.search(user.configure, name)
        assert not re.search(user.write, name)
    assert not writes(user, names.DEAD, key)
    assert not writes(user, names.DELAY, names.delayed_key(5, key))
    assert not writes(user, names.DELAY, names.delayed_key(5, f"{names.group_key(group)}.{key}"))
    assert not writes(user, names.DELAY, names.delayed_key(5, f"{key}.{names.group_key(group)}"))


@pytest.mark.parametrize("group", NAMES)
def test_a_groups_user_may_not_declare_or_publish_elsewhere(group: str) -> None:
    user = user_of(group)
    whole = topology(CLOSE, VHOST)
    everything = [queue.name for queue in whole.queues] + [exchange.name for exchange in whole.exchanges]
    assert [name for name in everything if re.search(user.configure, name)] == []
    written = {name for name in everything if re.search(user.write, name)}
    assert written == {names.DEAD, names.DELAY, names.CELERY_EVENTS, names.PIDBOX_REPLY}
    seen = {names.group_queue(group), names.PIDBOX} | stamp_names(CLOSE, group)
    assert {name for name in everything if re.search(user.read, name)} == seen
    for default_or_internal in ("", "amq.default", "amq.topic"):
        assert not re.search(user.write, default_or_internal)
    assert not writes(user, names.DELAY, "user.signed_up")


def test_a_service_may_write_to_the_door_only_unless_it_speaks_celery() -> None:
    users = {user.name: user for user in topology(CATALOG, VHOST).users}
    doors = {"web": {names.IN}, "backoffice": {names.IN, names.GROUPS, names.DELAY, names.DELAY_ENTRY}}
    exchanges = [exchange.name for exchange in topology(CATALOG, VHOST).exchanges] + [""]
    for name, open_to in doors.items():
        user = users[names.service_user(VHOST, name)]
        assert {each for each in exchanges if re.search(user.write, each)} == open_to
        assert (user.configure, user.read) == ("^$", "^$")


def test_millraces_own_users_have_what_they_need_and_no_more() -> None:
    whole = topology(CATALOG, VHOST)
    users = {user.name: user for user in whole.users}
    queues = [queue.name for queue in whole.queues]
    exchanges = [exchange.name for exchange in whole.exchanges]
    relay, keeper, monitor, flower = (users[names.own_user(VHOST, p)] for p in ("relay", "keeper", "monitor", "flower"))
    assert {e for e in exchanges if re.search(relay.write, e)} == {names.IN, names.EVENTS, names.GROUPS, names.DEAD}
    dead = {names.dead_queue(one.name) for one in (*CATALOG.groups, *CATALOG.functions)}
    transit = dead | {names.PARKED, names.REJECTED, names.ACCEPTED}
    assert {q for q in queues if re.search(keeper.read, q)} == transit
    everything = [*queues, *exchanges]
    assert {e for e in everything if re.search(keeper.write, e)} == {group.name for group in CATALOG.groups}
    assert (keeper.configure, relay.read, relay.configure) == ("^$",) * 3
    assert (monitor.write, monitor.configure, monitor.read, monitor.tags) == ("^$", "^$", "^$", ("monitoring",))
    assert [q for q in queues if re.search(f"{flower.read}|{flower.write}|{flower.configure}", q)] == []


def test_only_the_monitoring_user_sees_the_management_api() -> None:
    assert [user.name for user in topology(CATALOG, VHOST).users if user.tags] == [names.own_user(VHOST, "monitor")]


def stamp_names(catalog: Catalog, group: str) -> set[str]:
    return {exchange.name for exchange in stamps(catalog, catalog.group(group)).exchanges}


def test_a_newer_topology_that_only_adds_keeps_a_groups_stamps() -> None:
    wider = Catalog(
        events=CLOSE.events,
        groups=[
            WorkerGroup("sign", handles=[UserSignedUp, AccountCreated]),
            WorkerGroup("new", handles=[UserSignedUp]),
        ],
    )
    assert stamp_names(CLOSE, "sign") < stamp_names(wider, "sign")


def test_a_stamp_says_which_alias_is_bound() -> None:
    narrower = Catalog(events=[Event(UserSignedUp)], groups=[WorkerGroup("sign", handles=[UserSignedUp])])
    assert stamp_names(narrower, "sign") < stamp_names(CLOSE, "sign")


def test_parts_add_up() -> None:
    one, other = delays(), stamps(CLOSE, CLOSE.groups[0])
    both = one + other
    assert both.exchanges == one.exchanges + other.exchanges
    assert both.queues == one.queues
    assert Topology() + one == one


def test_a_group_that_holds_events_for_long_says_so_to_the_broker() -> None:
    """Others do not: RabbitMQ before 3.12 refuses the key."""
    group = WorkerGroup("any", handles=[UserSignedUp], longest_runtime=timedelta(minutes=5))
    assert "consumer-timeout" not in group_policy(group)
    long = replace(group, longest_runtime=timedelta(hours=1))
    assert group_policy(long)["consumer-timeout"] == round(timing(long).consumer_timeout * 1000)
