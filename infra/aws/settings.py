"""The settings of a stack's part at AWS, and which of them are refused."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pulumi

from infra.refusal import Refused

#: The accounts of LocalStack: the guide's, and the one that it takes for a key which is no account.
STAND_IN_ACCOUNTS = frozenset({"123456789012", "000000000000"})
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: The stack on a developer's machine.
LOCAL_STACK = "dev"
ACCOUNT = re.compile(r"\d{12}")
#: The program may be started anywhere; paths in its settings begin here.
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class AwsSettings:
    """Which account and region, by which endpoint, and what is there; `endpoint` is empty for AWS itself."""

    region: str
    account: str
    endpoint: str
    lambda_service: bool
    customer_key: bool
    package: str
    catalog: str
    alarm_topic: str
    database_url: pulumi.Output[str]

    @classmethod
    def load(cls, config: pulumi.Config, stack: str) -> "AwsSettings":
        """Read them; raises Refused, pulumi.ConfigMissingError or ConfigTypeError."""
        settings = cls(
            region=config.require("awsRegion"),
            account=config.require("awsAccount"),
            endpoint=config.require("awsEndpoint"),
            lambda_service=config.require_bool("awsLambda"),
            customer_key=config.require_bool("awsCustomerKey"),
            package=config.require("functionPackage"),
            catalog=config.require("functionCatalog"),
            alarm_topic=config.require("awsAlarmTopic"),
            database_url=config.require_secret("functionDatabaseUrl"),
        )
        settings.check(stack)
        return settings

    def check(self, stack: str) -> None:
        """Raise Refused for what is missing, and where endpoint, account and stack do not go together."""
        if not self.region or not ACCOUNT.fullmatch(self.account):
            raise Refused(
                "awsRegion and awsAccount (12 digits) must be set where aws is true, "
                f"got {self.region!r} and {self.account!r}"
            )
        if self.endpoint:
            self._check_stand_in()
        elif stack == LOCAL_STACK:
            raise Refused(
                f"awsEndpoint must be set for the stack {LOCAL_STACK!r}, which is never at AWS itself, got ''"
            )
        elif self.account in STAND_IN_ACCOUNTS:
            raise Refused(f"awsAccount must be an account at AWS where awsEndpoint is empty, got {self.account}")
        if self.lambda_service:
            self.package_of(database=False)

    def package_of(self, *, database: bool) -> Path:
        """The zip of functions with or without a database, which lie side by side; raises Refused if there is none."""
        path = REPOSITORY / self.package
        path = path.with_name(f"{path.stem}-database{path.suffix}") if database else path
        if not path.is_file():
            wanted = "functionPackage must be a zip that the build made where awsLambda is true"
            beside = ", one with -database beside it" if database else ""
            raise Refused(f"{wanted}{beside}, got {self.package!r}: `millrace package` makes it")
        return path

    def _check_stand_in(self) -> None:
        if urlsplit(self.endpoint).hostname not in LOOPBACK:
            raise Refused(f"awsEndpoint must be on this machine (127.0.0.1) or empty, got {self.endpoint!r}")
        if self.account not in STAND_IN_ACCOUNTS:
            known = ", ".join(sorted(STAND_IN_ACCOUNTS))
            raise Refused(f"awsAccount must be one of {known} where awsEndpoint is set, got {self.account}")
