"""What the broker has now, from one request."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.offline_engine.management import Management

Record = Mapping[str, Any]
Key = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Live:
    """The broker's definitions, each kind by its identity (vhost first, where it has one)."""

    cluster: str
    vhosts: frozenset[str]
    users: Mapping[str, Record]
    permissions: Mapping[Key, Record]
    topic_permissions: Mapping[Key, Mapping[str, Record]]
    exchanges: Mapping[Key, Record]
    queues: Mapping[Key, Record]
    policies: Mapping[Key, Record]
    bindings: frozenset[Key]

    def is_empty(self, vhost: str) -> bool:
        """Whether nobody made anything in this vhost."""
        inside = (*self.exchanges, *self.queues, *self.policies, *self.bindings)
        return not any(key[0] == vhost for key in inside)


def read_live(api: Management) -> Live:
    """Ask for the broker's definitions; raises BrokerProblem."""
    return parse(api.get("definitions"))


def parse(definitions: Record) -> Live:
    """Index the answer of GET /api/definitions."""
    parameters = {entry["name"]: entry["value"] for entry in definitions.get("global_parameters", [])}
    topics: dict[Key, dict[str, Record]] = {}
    for entry in definitions.get("topic_permissions", []):
        topics.setdefault((entry["vhost"], entry["user"]), {})[entry["exchange"]] = entry
    return Live(
        cluster=str(parameters.get("internal_cluster_id", "")),
        vhosts=frozenset(entry["name"] for entry in definitions["vhosts"]),
        users={entry["name"]: entry for entry in definitions["users"]},
        permissions=_by(definitions["permissions"], "vhost", "user"),
        topic_permissions=topics,
        exchanges=_by(definitions["exchanges"], "vhost", "name"),
        queues=_by(definitions["queues"], "vhost", "name"),
        policies=_by(definitions["policies"], "vhost", "name"),
        bindings=frozenset(binding_key(entry) for entry in definitions["bindings"]),
    )


def binding_key(entry: Record) -> Key:
    """What tells one binding from another, in the API's words."""
    ends = (entry["vhost"], entry["source"], entry["destination_type"], entry["destination"])
    return (*ends, entry["routing_key"], json.dumps(entry.get("arguments") or {}, sort_keys=True))


def _by(entries: Iterable[Record], *fields: str) -> dict[Key, Record]:
    return {tuple(entry[name] for name in fields): entry for entry in entries}
