"""What a worker process is told by its environment, checked once at start."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from millrace.declarations import Catalog
from millrace.publishing.addresses import begin_anywhere, vhost_of

from workers.environment import SettingsError, catalog_at
from workers.stores.opening import require_store_url
from workers.stores.store import WrongInboxUrl


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process; each is read from the variable MILLRACE_<NAME>.

    What may hold a password is in no repr: Celery's remote control shows the app's settings to whoever asks.
    """

    #: several addresses of one broker are separated by `;`; it begins with any of them
    broker_url: str = field(repr=False)
    database_url: str = field(repr=False)
    #: where events are claimed, if not in the database: a store with a lower level (workers.stores.opening)
    inbox_url: str | None = field(default=None, repr=False)
    #: the management API with a monitoring user: workers then check the broker's real arguments at start
    monitoring_url: str | None = field(default=None, repr=False)
    metrics_port: int | None = None
    #: where metrics and probes are served; in a pod, the kubelet asks from outside
    metrics_address: str = "127.0.0.1"
    smtp_url: str = field(default="smtp://127.0.0.1:25", repr=False)
    concurrency: int = 2
    #: where AWS is, for what runs at its door; an endpoint is that of a stand-in (LocalStack)
    aws_region: str | None = None
    aws_account: str | None = None
    aws_endpoint: str | None = None
    #: how long outcomes, closed letters, published outbox rows and the index of accepted events are kept
    retention_days: int = 30
    #: module:attribute of the catalog, and the package with one module of handlers per group
    catalog: str = "millrace.catalog:CATALOG"
    handlers: str = "workers.handlers"

    @property
    def vhost(self) -> str:
        """The broker's vhost, which is the last part of its URL."""
        return vhost_of(self.broker_url)

    def load_catalog(self) -> Catalog:
        """Import the catalog; raises SettingsError if there is none at that place."""
        return catalog_at(self.catalog)


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; raises SettingsError that names what is missing or wrong."""
    given = {name: environment.get(f"MILLRACE_{name.upper()}", "") for name in Settings.__dataclass_fields__}
    for name in ("broker_url", "database_url"):
        if not given[name]:
            raise SettingsError(f"MILLRACE_{name.upper()} must be set")
    try:
        given["broker_url"] = begin_anywhere(given["broker_url"])
    except ValueError as error:
        raise SettingsError(f"MILLRACE_BROKER_URL: {error}") from None
    values: dict[str, object] = {name: value for name, value in given.items() if value}
    for name in ("metrics_port", "concurrency", "retention_days"):
        if name in values:
            values[name] = _whole_number(name, cast(str, values[name]))
    if given["metrics_address"]:
        _require_address(given["metrics_address"])
    if given["inbox_url"]:
        try:
            require_store_url(given["inbox_url"])
        except WrongInboxUrl as error:
            raise SettingsError(f"MILLRACE_INBOX_URL {error}") from error
    return Settings(**values)  # type: ignore[arg-type]


def _require_address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise SettingsError(f"MILLRACE_METRICS_ADDRESS must be an IP address, got {text!r}") from None


def _whole_number(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"MILLRACE_{name.upper()} must be a positive whole number, got {text!r}")
    return int(text)
