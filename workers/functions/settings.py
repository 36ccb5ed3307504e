"""What a function is told by its environment, checked once, at its cold start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from millrace.declarations import Catalog

from workers.environment import SettingsError, catalog_at
from workers.stores.opening import require_store_url
from workers.stores.store import WrongInboxUrl

_PREFIX = "MILLRACE_"


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """The settings of one function; each is read from the variable MILLRACE_<NAME>.

    Its inbox is in DynamoDB (`inbox_url`, then with `outbox_table`) or in a database (`database_url`).
    """

    group: str
    #: the SQS queue of its dead letters
    dead_queue_url: str
    inbox_url: str | None = field(default=None, repr=False)
    outbox_table: str | None = None
    database_url: str | None = field(default=None, repr=False)
    #: of a stand-in for AWS
    aws_endpoint: str | None = None
    catalog: str = "millrace.catalog:CATALOG"
    handlers: str = "workers.handlers"

    def load_catalog(self) -> Catalog:
        """Import the catalog; raises SettingsError if there is none at that place."""
        return catalog_at(self.catalog)


def from_environment(environment: Mapping[str, str] = os.environ) -> FunctionSettings:
    """Read the settings; raises SettingsError that names what is missing or wrong."""
    given = {
        name: value
        for name in FunctionSettings.__dataclass_fields__
        if (value := environment.get(_PREFIX + name.upper(), ""))
    }
    for name in ("group", "dead_queue_url"):
        if name not in given:
            raise SettingsError(f"{_PREFIX}{name.upper()} must be set")
    if ("inbox_url" in given) == ("database_url" in given):
        raise SettingsError("one of MILLRACE_INBOX_URL and MILLRACE_DATABASE_URL must be set, and not both")
    if "inbox_url" in given:
        _require_dynamodb(given["inbox_url"])
        if "outbox_table" not in given:
            raise SettingsError("MILLRACE_OUTBOX_TABLE must be set where the inbox is in DynamoDB")
    return FunctionSettings(**given)


def _require_dynamodb(url: str) -> None:
    try:
        require_store_url(url)
    except WrongInboxUrl as error:
        raise SettingsError(f"MILLRACE_INBOX_URL {error}") from error
    if not url.startswith("dynamodb:"):
        raise SettingsError("MILLRACE_INBOX_URL must name a table of DynamoDB (a function has no other inbox)")
