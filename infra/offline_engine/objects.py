"""The kinds that live inside a vhost: exchanges, queues, bindings, policies."""

import json
from collections.abc import Mapping
from typing import Any

from infra.offline_engine.kind import Standing
from infra.offline_engine.live import Key, Live, binding_key
from infra.offline_engine.management import Management
from infra.offline_engine.resources import Inputs


def compared(actual: Mapping[str, Any] | None, wanted: Mapping[str, Any], otherwise: Standing) -> Standing:
    """ABSENT, RIGHT, or `otherwise` where a wanted entry differs."""
    if actual is None:
        return Standing.ABSENT
    return Standing.RIGHT if all(actual.get(key) == value for key, value in wanted.items()) else otherwise


def settings_body(inputs: Inputs) -> dict[str, Any]:
    """The body that declares an exchange or a queue."""
    settings = inputs["settings"]
    arguments = json.loads(settings["argumentsJson"]) if settings.get("argumentsJson") else {}
    durable, auto_delete = bool(settings.get("durable")), bool(settings.get("autoDelete"))
    return {"durable": durable, "auto_delete": auto_delete, "arguments": arguments}


class ExchangeKind:
    """rabbitmq.Exchange."""

    word = "exchange"
    accepts = frozenset({"name", "vhost", "settings.type", "settings.durable", "settings.autoDelete"})

    def key(self, inputs: Inputs) -> Key:
        return inputs["vhost"], inputs["name"]

    def standing(self, inputs: Inputs, live: Live) -> Standing:
        return compared(live.exchanges.get(self.key(inputs)), self._body(inputs), Standing.FIXED)

    def write(self, inputs: Inputs, api: Management) -> None:
        api.put("exchanges", *self.key(inputs), body=self._body(inputs))

    def remove(self, inputs: Inputs, api: Management) -> None:
        api.delete("exchanges", *self.key(inputs))

    def _body(self, inputs: Inputs) -> dict[str, Any]:
        return settings_body(inputs) | {"type": inputs["settings"]["type"]}


class QueueKind:
    """rabbitmq.Queue."""

    word = "queue"
    accepts = frozenset({"name", "vhost", "settings.durable", "settings.autoDelete", "settings.argumentsJson"})

    def key(self, inputs: Inputs) -> Key:
        return inputs["vhost"], inputs["name"]

    def standing(self, inputs: Inputs, live: Live) -> Standing:
        return compared(live.queues.get(self.key(inputs)), settings_body(inputs), Standing.FIXED)

    def write(self, inputs: Inputs, api: Management) -> None:
        api.put("queues", *self.key(inputs), body=settings_body(inputs))

    def remove(self, inputs: Inputs, api: Management) -> None:
        api.delete("queues", *self.key(inputs))


class BindingKind:
    """rabbitmq.Binding."""

    word = "binding"
    accepts = frozenset({"vhost", "source", "destination", "destinationType", "routingKey"})

    def key(self, inputs: Inputs) -> Key:
        return binding_key(
            {
                "vhost": inputs["vhost"],
                "source": inputs["source"],
                "destination_type": inputs["destinationType"],
                "destination": inputs["destination"],
                "routing_key": inputs.get("routingKey", ""),
            }
        )

    def standing(self, inputs: Inputs, live: Live) -> Standing:
        return Standing.RIGHT if self.key(inputs) in live.bindings else Standing.ABSENT

    def write(self, inputs: Inputs, api: Management) -> None:
        api.post(*self._path(inputs), body={"routing_key": inputs.get("routingKey", ""), "arguments": {}})

    def remove(self, inputs: Inputs, api: Management) -> None:
        for found in api.get(*self._path(inputs)):
            if binding_key(found) == self.key(inputs):
                api.delete(*self._path(inputs), found["properties_key"])

    def _path(self, inputs: Inputs) -> tuple[str, ...]:
        to = "e" if inputs["destinationType"] == "exchange" else "q"
        return "bindings", inputs["vhost"], "e", inputs["source"], to, inputs["destination"]


class PolicyKind:
    """rabbitmq.Policy."""

    word = "policy"
    accepts = frozenset({"name", "vhost", "policy.pattern", "policy.priority", "policy.applyTo", "policy.definition"})

    def key(self, inputs: Inputs) -> Key:
        return inputs["vhost"], inputs["name"]

    def standing(self, inputs: Inputs, live: Live) -> Standing:
        return compared(live.policies.get(self.key(inputs)), policy_body(inputs), Standing.WRONG)

    def write(self, inputs: Inputs, api: Management) -> None:
        api.put("policies", *self.key(inputs), body=policy_body(inputs))

    def remove(self, inputs: Inputs, api: Management) -> None:
        api.delete("policies", *self.key(inputs))


def policy_body(inputs: Inputs) -> dict[str, Any]:
    """The body of a policy; the provider passes all values as text, and numbers must arrive as numbers."""
    policy = inputs["policy"]
    return {
        "pattern": policy["pattern"],
        "apply-to": policy["applyTo"],
        "priority": int(policy["priority"]),
        "definition": {key: _number_or_text(value) for key, value in policy["definition"].items()},
    }


def _number_or_text(value: str) -> int | str:
    return int(value) if value.lstrip("-").isdecimal() else value
