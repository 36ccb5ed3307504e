"""The kinds that say who may do what: vhosts, users, permissions."""

import base64
import hashlib
import hmac
from typing import Any

from infra.offline_engine.kind import Standing
from infra.offline_engine.live import Key, Live
from infra.offline_engine.management import Management
from infra.offline_engine.objects import compared
from infra.offline_engine.resources import Inputs
from infra.ownership import MADE_OFFLINE

SALT_BYTES = 4


class VHostKind:
    """rabbitmq.VHost."""

    word = "vhost"
    accepts = frozenset({"name"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def standing(self, inputs: Inputs, live: Live) -> Standing:
        return Standing.RIGHT if inputs["name"] in live.vhosts else Standing.ABSENT

    def write(self, inputs: Inputs, api: Management) -> None:
        api.put("vhosts", *self.key(inputs), body={"description": MADE_OFFLINE})

    def remove(self, inputs: Inputs, api: Management) -> None:
        api.delete("vhosts", *self.key(inputs))


class UserKind:
    """rabbitmq.User."""

    word = "user"
    accepts = frozenset({"name", "password", "tags"})

    def key(self, inputs: Inputs) -> Key:
        return (inputs["name"],)

    def standing(self, inputs: Inputs, live: Live) -> Standing:
        actual = live.users.get(inputs["name"])
        if actual is None:
            return Standing.ABSENT
        same_tags = set(_tags(actual["tags"])) == set(inputs.get("tags") or ())
        return Standing.RIGHT if same_tags and matches(inputs["password"], actual["password_hash"]) else Standing.WRONG

    def write(self, inputs: Inputs, api: Management) -> None:
        body = {"password": inputs["password"], "tags": ",".join(inputs.get("tags") or ())}
        api.put("users", *self.key(inputs), body=body)

    def remove(self, inputs: Inputs, api: Management) -> None:
        api.delete("users", *self.key(inputs))


class PermissionsKind:
    """rabbitmq.Permissions."""

    word = "permissions of"
    accepts = frozenset({"user", "vhost", "permissions.configure", "permissions.write", "permissions.read"})

    def key(self, inputs: Inputs) -> Key:
        return inputs["vhost"], inputs["user"]

    def standing(self, inputs: Inputs, live: Live) -> Standing:
        return compared(live.permissions.get(self.key(inputs)), inputs["permissions"], Standing.WRONG)

    def write(self, inputs: Inputs, api: Management) -> None:
        api.put("permissions", *self.key(inputs), body=dict(inputs["permissions"]))

    def remove(self, inputs: Inputs, api: Management) -> None:
        api.delete("permissions", *self.key(inputs))


class TopicPermissionsKind:
    """rabbitmq.TopicPermissions: all of one user's on one vhost."""

    word = "topic permissions of"
    accepts = frozenset({"user", "vhost", "permissions"})

    def key(self, inputs: Inputs) -> Key:
        return inputs["vhost"], inputs["user"]

    def standing(self, inputs: Inputs, live: Live) -> Standing:
        actual = live.topic_permissions.get(self.key(inputs))
        if not actual:
            return Standing.ABSENT
        wanted = {entry["exchange"]: entry for entry in inputs["permissions"]}
        right = {compared(actual.get(name), entry, Standing.WRONG) for name, entry in wanted.items()}
        return Standing.RIGHT if right == {Standing.RIGHT} and wanted.keys() == actual.keys() else Standing.WRONG

    def write(self, inputs: Inputs, api: Management) -> None:
        present = {entry["exchange"] for entry in self._present(inputs, api)}
        if present - {entry["exchange"] for entry in inputs["permissions"]}:
            # The API cannot remove the permission of one exchange.
            self.remove(inputs, api)
        for entry in inputs["permissions"]:
            api.put("topic-permissions", *self.key(inputs), body=dict(entry))

    def remove(self, inputs: Inputs, api: Management) -> None:
        api.delete("topic-permissions", *self.key(inputs))

    def _present(self, inputs: Inputs, api: Management) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = api.get("users", inputs["user"], "topic-permissions")
        return [entry for entry in found if entry["vhost"] == inputs["vhost"]]


def matches(password: str, stored: str) -> bool:
    """Whether RabbitMQ's salted SHA-256 is that of the password."""
    raw = base64.b64decode(stored)
    salted = raw[:SALT_BYTES] + password.encode()
    return hmac.compare_digest(hashlib.sha256(salted).digest(), raw[SALT_BYTES:])


def _tags(tags: str | list[str]) -> list[str]:
    """RabbitMQ before 3.9 gives them as one text."""
    return [tag for tag in tags.split(",") if tag] if isinstance(tags, str) else tags
