"""Which AWS a run applies to."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AwsTarget:
    """A stand-in for AWS on this machine and what it has; the words are those of the program's settings.

    `package`, the functions' zip, is needed where `lambda_service` is true; a path from the repository's folder. That
    of groups with a database lies beside it, with `-database` at the end of its name.
    """

    endpoint: str
    region: str = "us-east-1"
    account: str = "123456789012"
    lambda_service: bool = False
    customer_key: bool = False
    package: str = ""
    function_catalog: str = ""
    alarm_topic: str = ""
    database_url: str = ""

    def config(self) -> dict[str, str]:
        """The program's configuration for it."""
        return {
            "aws": "true",
            "awsRegion": self.region,
            "awsAccount": self.account,
            "awsEndpoint": self.endpoint,
            "awsLambda": str(self.lambda_service).lower(),
            "awsCustomerKey": str(self.customer_key).lower(),
            "awsAlarmTopic": self.alarm_topic,
            "functionPackage": self.package,
            "functionCatalog": self.function_catalog,
            "functionDatabaseUrl": self.database_url,
        }


#: What the program is told while AWS is away: nothing is asked there, and nothing applied.
AWAY = AwsTarget(endpoint="http://127.0.0.1:4566")
