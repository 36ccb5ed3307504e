"""How a function of the catalog is deployed on this machine: its code unpacked, its environment as Lambda has it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from millrace import aws_names
from millrace.aws_derived import function_timing
from millrace.declarations import Catalog
from millrace.functions import Function, LambdaGroup

from operations.local.lambda_instance import Deployed
from operations.local.localstack import ACCOUNT, REGION, credentials
from operations.packaging import Package, build
from workers.environment import SettingsError, catalog_at

#: What LocalStack answers within when it is busy: for the inbox's store, which else is content with less.
_SLOW_SECONDS = 10
GROUP_HANDLER = "workers.aws_lambda.lambda_handler"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where functions run, each from the variable MILLRACE_<NAME>: the stack, LocalStack, the catalog, the code."""

    vhost: str
    aws_endpoint: str
    aws_region: str = REGION
    aws_account: str = ACCOUNT
    #: for groups whose inbox is in the database
    database_url: str | None = None
    catalog: str = "millrace.catalog:CATALOG"
    handlers: str = "workers.handlers"
    #: a zip; without one, this repository's code is packaged
    package: str | None = None

    def function(self, name: str) -> Function:
        """The function of this name; raises SettingsError if the catalog has none."""
        catalog: Catalog = catalog_at(self.catalog)
        for function in catalog.functions:
            if function.name == name:
                return function
        raise SettingsError(f"must be a function of the catalog, got {name!r}")

    def queue_url(self, queue: str) -> str:
        """The URL of a queue."""
        return aws_names.queue_url(self.aws_endpoint, self.aws_region, self.aws_account, queue)

    def arn(self, service: str, resource: str) -> str:
        """An ARN here."""
        return aws_names.arn(service, self.aws_region, self.aws_account, resource)


def place_from(environment: Mapping[str, str] = os.environ) -> Place:
    """Read the variables; raises SettingsError that names what is missing."""
    given = {
        name: value for name in Place.__dataclass_fields__ if (value := environment.get(f"MILLRACE_{name.upper()}", ""))
    }
    for name in ("vhost", "aws_endpoint"):
        if name not in given:
            raise SettingsError(f"MILLRACE_{name.upper()} must be set")
    return Place(**given)


def deployed(place: Place, function: Function, directory: Path) -> Deployed:
    """Unpack the code into a directory; raises SettingsError if a setting is missing."""
    archive = Path(place.package) if place.package else build(_package_of(function), directory, directory)
    root = directory / "code"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(root)
    name = aws_names.function(place.vhost, function.name)
    if isinstance(function, LambdaGroup):
        handler, timeout = GROUP_HANDLER, float(function_timing(function).timeout)
        settings = group_settings(place, function)
    else:
        handler, timeout, settings = function.handler, function.timeout.total_seconds(), {}
    return Deployed(
        name=name,
        handler=handler,
        root=root,
        environment={**credentials(place.aws_account), "AWS_REGION": place.aws_region, **settings},
        timeout=timeout,
        memory=function.memory,
        arn=place.arn("lambda", f"function:{name}"),
    )


def _package_of(function: Function) -> Package:
    database = isinstance(function, LambdaGroup) and function.database
    return Package(database, libraries=False)


def group_settings(place: Place, group: LambdaGroup) -> dict[str, str]:
    """What a group's function is told, as the infrastructure tells it at AWS."""
    dead = aws_names.dead_queue(aws_names.function_queue(place.vhost, group.name))
    settings = {
        "MILLRACE_GROUP": group.name,
        "MILLRACE_CATALOG": place.catalog,
        "MILLRACE_HANDLERS": place.handlers,
        "MILLRACE_DEAD_QUEUE_URL": place.queue_url(dead),
        "MILLRACE_AWS_ENDPOINT": place.aws_endpoint,
    }
    if group.database:
        if place.database_url is None:
            raise SettingsError(f"MILLRACE_DATABASE_URL must be set: the inbox of {group.name} is in the database")
        return {**settings, "MILLRACE_DATABASE_URL": place.database_url}
    table = aws_names.inbox_table(place.vhost, group.name)
    options = f"region={place.aws_region}&endpoint={place.aws_endpoint}&timeout={_SLOW_SECONDS}"
    return {
        **settings,
        "MILLRACE_INBOX_URL": f"dynamodb://{table}?{options}",
        "MILLRACE_OUTBOX_TABLE": aws_names.outbox_table(place.vhost),
    }
