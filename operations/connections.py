"""Where the broker, the store and Flower are: from the environment, else from the local stack."""

import importlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from millrace import names
from millrace.declarations import Catalog

from operations.aws_place import AwsPlace, aws_place

ROOT = Path(__file__).resolve().parents[1]
STATE_DIRECTORY = ROOT / ".local"


class NotRunning(Exception):
    """Nothing to talk to is known or running; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Where things are; `stack` is what `make up` noted about the local stack, empty if it is not running.

    `directory` holds the local stack's state and logs.
    """

    environment: Mapping[str, str]
    stack: Mapping[str, Any] = field(default_factory=dict)
    directory: Path = STATE_DIRECTORY

    @property
    def vhost(self) -> str:
        """The stack's vhost at the broker."""
        if self._uses_other_broker():
            return unquote(urlsplit(self.environment["MILLRACE_BROKER_URL"].partition(";")[0]).path[1:]) or "/"
        return str(self._of_stack("vhost", "MILLRACE_BROKER_URL"))

    def broker_url(self, user: str) -> str:
        """The AMQP URL of a broker user of the local stack, or MILLRACE_BROKER_URL."""
        if self._uses_other_broker():
            return self.environment["MILLRACE_BROKER_URL"]
        password = self._password(user)
        address = self._of_stack("amqp", "MILLRACE_BROKER_URL")
        return f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@{address}/{quote(self.vhost, safe='')}"

    def monitoring_url(self) -> str:
        """The management API with a user who may read."""
        if given := self.environment.get("MILLRACE_MONITORING_URL"):
            return given
        user = names.own_user(self.vhost, "monitor")
        return self._management(user, self._password(user))

    def admin_url(self) -> str:
        """The management API with the user who sees most: the administrator of the local stack, else the monitor."""
        admin = self.stack.get("admin")
        if admin is None or self.environment.get("MILLRACE_MONITORING_URL"):
            return self.monitoring_url()
        return self._management(admin["user"], admin["password"])

    def database_url(self) -> str:
        """The SQLAlchemy URL of the store; raises NotRunning, too, if it is a file that is not there."""
        given = self.environment.get("MILLRACE_DATABASE_URL")
        url = given or str(self._of_stack("database_url", "MILLRACE_DATABASE_URL"))
        path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else None
        if path and not Path(path).exists():
            raise NotRunning(f"there is no database at {path}: run `make up` (or set MILLRACE_DATABASE_URL)")
        return url

    def aws(self) -> AwsPlace | None:
        """Where AWS is: the environment's, else the local stack's LocalStack; None if neither is known."""
        return aws_place(self.stack.get("aws", {}), self.environment)

    def _management(self, user: str, password: str) -> str:
        parts = urlsplit(str(self._of_stack("management", "MILLRACE_MONITORING_URL")))
        return f"{parts.scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"

    def _password(self, user: str) -> str:
        passwords = self._of_stack("users", "MILLRACE_BROKER_URL")
        if user not in passwords:
            raise NotRunning(f"the local stack has no broker user {user}: run `make up` to apply the catalog")
        return str(passwords[user])

    def _of_stack(self, key: str, variable: str) -> Any:
        if key not in self.stack:
            raise NotRunning(f"no stack is running here: run `make up` (or set {variable})")
        return self.stack[key]

    def _uses_other_broker(self) -> bool:
        """Whether MILLRACE_BROKER_URL is another broker than the one that the local stack was put on."""
        given = self.environment.get("MILLRACE_BROKER_URL")
        if not given:
            return False
        parts = urlsplit(given.partition(";")[0])
        address = f"{parts.hostname}:{parts.port or 5672}"
        same = address == self.stack.get("amqp") and unquote(parts.path[1:]) != self.stack.get("vhost")
        return not same


def connections(environment: Mapping[str, str] = os.environ, directory: Path | None = None) -> Connections:
    """The connections as known now."""
    directory = directory or STATE_DIRECTORY
    try:
        stack = json.loads((directory / "stack.json").read_text())
    except FileNotFoundError:
        stack = {}
    return Connections(environment=environment, stack=stack, directory=directory)


def catalog(environment: Mapping[str, str] = os.environ) -> Catalog:
    """The catalog: millrace.catalog:CATALOG, or what MILLRACE_CATALOG (module:attribute) names."""
    module, _, attribute = environment.get("MILLRACE_CATALOG", "millrace.catalog:CATALOG").partition(":")
    found = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(found, Catalog):
        raise NotRunning(f"MILLRACE_CATALOG must name a Catalog as module:attribute, got {module}:{attribute}")
    return found
