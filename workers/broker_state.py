"""What a vhost holds, as the management API tells it."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx
from millrace.broker_parts import TopicPermission, User

_FORBIDDEN = 401, 403

BindingKey = tuple[str, str, str, bool]


class BrokerUnreadable(Exception):
    """The management API could not be read; the message says what to look at."""


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """One queue as the broker has it; `policy` is the definition in effect, None when there is none."""

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] | None = None
    temporary: bool = False


@dataclass(frozen=True, kw_only=True)
class ExchangeState:
    """One exchange as the broker has it; `policy_name` is the policy in effect."""

    kind: str
    durable: bool = True
    policy_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class BrokerState:
    """What a vhost holds. Policies and users are None where the reader may not see them (monitoring tag)."""

    exchanges: Mapping[str, ExchangeState] = field(default_factory=dict)
    queues: Mapping[str, QueueState] = field(default_factory=dict)
    #: (source, destination, key, whether the destination is an exchange)
    bindings: frozenset[BindingKey] = frozenset()
    policies: Mapping[str, Mapping[str, Any]] | None = None
    users: Mapping[str, User] | None = None


def broker_state(monitoring_url: str, vhost: str) -> BrokerState:
    """Read a vhost over the management API (http://user:password@host:port); raises BrokerUnreadable."""
    parts = urlsplit(monitoring_url)
    base = f"{parts.scheme}://{parts.hostname}:{parts.port or 15672}/api/"
    login = (unquote(parts.username or ""), unquote(parts.password or ""))
    trust = ssl.create_default_context()  # unlike httpx's own, it heeds SSL_CERT_FILE: an authority of one's own
    try:
        with httpx.Client(base_url=base, auth=login, timeout=10, trust_env=False, verify=trust) as client:
            return _read(client, vhost)
    except httpx.HTTPError as error:
        where = f"{parts.hostname}:{parts.port}"
        hint = "is the broker running, and may this user (tag monitoring, a permission on the vhost) see it?"
        raise BrokerUnreadable(f"cannot read vhost {vhost} at {where}: {error}; {hint}") from error


def _read(client: httpx.Client, vhost: str) -> BrokerState:
    place = quote(vhost, safe="")
    exchanges = _get(client, f"exchanges/{place}")
    queues = _get(client, f"queues/{place}")
    bindings = _get(client, f"bindings/{place}")
    policies = _get_if_allowed(client, f"policies/{place}")
    return BrokerState(
        exchanges={x["name"]: _exchange(x) for x in exchanges if x["name"] and not x["name"].startswith("amq.")},
        queues={q["name"]: _queue(q) for q in queues},
        bindings=frozenset(_binding(b) for b in bindings if b["source"]),
        policies=None if policies is None else {p["name"]: p for p in policies},
        users=_users(client, vhost),
    )


def _get(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = client.get(path).raise_for_status().json()
    return answer


def _get_if_allowed(client: httpx.Client, path: str) -> list[dict[str, Any]] | None:
    response = client.get(path)
    if response.status_code in _FORBIDDEN:
        return None
    answer: list[dict[str, Any]] = response.raise_for_status().json()
    return answer


def _exchange(raw: Mapping[str, Any]) -> ExchangeState:
    return ExchangeState(kind=raw["type"], durable=raw["durable"], policy_name=raw.get("policy"))


def _queue(raw: Mapping[str, Any]) -> QueueState:
    arguments = {name: value for name, value in raw.get("arguments", {}).items() if name != "x-queue-type"}
    temporary = bool(raw.get("exclusive") or raw.get("auto_delete")) or not raw.get("durable", True)
    policy = raw.get("effective_policy_definition") or None
    return QueueState(kind=raw.get("type", "classic"), arguments=arguments, policy=policy, temporary=temporary)


def _binding(raw: Mapping[str, Any]) -> BindingKey:
    return raw["source"], raw["destination"], raw["routing_key"], raw["destination_type"] == "exchange"


def _users(client: httpx.Client, vhost: str) -> dict[str, User] | None:
    accounts = _get_if_allowed(client, "users")
    permissions = _get_if_allowed(client, "permissions")
    topics = _get_if_allowed(client, "topic-permissions")
    if accounts is None or permissions is None or topics is None:
        return None
    tags = {account["name"]: account["tags"] for account in accounts}
    granted = {p["user"]: p for p in permissions if p["vhost"] == vhost}
    narrowed = [t for t in topics if t["vhost"] == vhost]
    return {name: _user(name, granted[name], tags.get(name, []), narrowed) for name in granted}


def _user(name: str, granted: Mapping[str, Any], tags: object, narrowed: Iterable[Mapping[str, Any]]) -> User:
    listed = tags.split(",") if isinstance(tags, str) else [str(tag) for tag in tags] if isinstance(tags, list) else []
    own = [t for t in narrowed if t["user"] == name]
    return User(
        name=name,
        configure=granted["configure"],
        write=granted["write"],
        read=granted["read"],
        tags=tuple(sorted(tag for tag in listed if tag)),
        topics=tuple(TopicPermission(exchange=t["exchange"], write=t["write"]) for t in own),
    )
