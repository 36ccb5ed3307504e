"""A stack is never applied to the wrong account, nor a real one to a stand-in."""

import json
from pathlib import Path

import pulumi
import pytest

from infra.__main__ import declare
from infra.aws import settings
from infra.aws.provider import SERVICES
from infra.offline_engine import AwsTarget
from infra.offline_engine.recording import SECRET_MARK, Monitor, Recording, record, run
from infra.refusal import Refused
from infra.settings import Settings
from tests.aws_catalog import CATALOG, WITH_DATABASE
from tests.unit.infra.aws import graph
from tests.unit.infra.test_program import Wire

LOCALSTACK = "http://127.0.0.1:4566"
REAL = "210987654321"
STAND_IN = "123456789012"


def program() -> None:
    declare(CATALOG, Settings.load())


def started(config: dict[str, str], *, stack: str = "prod", **over: str) -> Recording:
    at = AwsTarget(endpoint="", account=REAL).config() | over
    return record(program, stack=stack, config=config | at, known={})


@pytest.mark.parametrize(
    ("stack", "over", "reason"),
    [
        ("dev", {}, "awsEndpoint must be set for the stack 'dev'"),
        ("dev", {"awsEndpoint": LOCALSTACK}, f"awsAccount must be one of .*, got {REAL}"),
        ("test", {"awsEndpoint": LOCALSTACK}, f"awsAccount must be one of .*, got {REAL}"),
        ("dev", {"awsEndpoint": "http://10.0.0.7:4566", "awsAccount": STAND_IN}, "awsEndpoint must be on this machine"),
        ("dev", {"awsEndpoint": "https://sqs.eu-west-1.amazonaws.com"}, "awsEndpoint must be on this machine"),
        ("prod", {"awsAccount": STAND_IN}, "awsAccount must be an account at AWS where awsEndpoint is empty"),
        ("prod", {"awsAccount": "000000000000"}, "awsAccount must be an account at AWS"),
        ("prod", {"awsAccount": ""}, "awsRegion and awsAccount .12 digits. must be set"),
        ("prod", {"awsAccount": "12345"}, "awsRegion and awsAccount"),
        ("prod", {"awsRegion": ""}, "awsRegion and awsAccount"),
        ("prod", {"awsLambda": "true"}, "functionPackage must be a zip that the build made"),
        ("prod", {"awsLambda": "true", "functionPackage": "no/such.zip"}, "got 'no/such.zip'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    config: dict[str, str], stack: str, over: dict[str, str], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        started(config, stack=stack, **over)


def test_the_cli_shows_the_reason_and_no_traceback() -> None:
    assert issubclass(Refused, pulumi.RunError)


@pytest.mark.parametrize("account", sorted(settings.STAND_IN_ACCOUNTS))
def test_a_stand_in_on_this_machine_is_taken(config: dict[str, str], account: str) -> None:
    assert started(config, stack="dev", awsEndpoint=LOCALSTACK, awsAccount=account).resources


def test_a_package_is_looked_for_in_the_repository(
    config: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pulumi CLI runs the program in `infra/`."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "functions.zip").touch()
    monkeypatch.setattr(settings, "REPOSITORY", tmp_path)
    recording = started(config, awsLambda="true", functionPackage="build/functions.zip")
    paths = {one["code"]["path"] for one in graph.of(recording, graph.FUNCTION).values()}
    assert paths == {str(tmp_path / "build" / "functions.zip")}


def providers(config: dict[str, str], **over: str) -> list[dict[str, object]]:
    wire = Wire()
    at = AwsTarget(endpoint="", account=REAL).config() | over
    run(program, Monitor(wire), stack="prod", config=config | at)
    return [dict(inputs) for type_, inputs in wire.inputs if type_ == "pulumi:providers:aws"]


def test_the_provider_is_explicit_and_of_the_one_account(config: dict[str, str]) -> None:
    (real,) = providers(config)
    assert real["allowedAccountIds"] == f'["{REAL}"]'
    assert real["region"] == "us-east-1"
    assert not {"endpoints", "accessKey", "secretKey"} & real.keys()
    assert real["skipCredentialsValidation"] == "false"


def test_one_setting_sends_all_services_to_the_stand_in(config: dict[str, str]) -> None:
    (local,) = providers(config, awsEndpoint=LOCALSTACK, awsAccount=STAND_IN)
    assert local["allowedAccountIds"] == f'["{STAND_IN}"]'
    assert str(local["endpoints"]).count(LOCALSTACK) == len(SERVICES)
    assert STAND_IN in str(local["accessKey"])


def test_a_resource_of_a_service_without_an_endpoint_would_go_to_aws(config: dict[str, str], package: str) -> None:
    """Each type that is declared is of a service that the provider's list sends to the stand-in."""
    over = {"awsLambda": "true", "functionPackage": package, "awsCustomerKey": "true"}
    recording = started(config, stack="dev", awsEndpoint=LOCALSTACK, awsAccount=STAND_IN, **over)
    used = {one.type.split(":")[1].split("/")[0] for one in recording.resources if one.type.startswith("aws:")}
    assert used == {"cloudwatch", "dynamodb", "iam", "kms", "lambda", "sns", "sqs"}
    # Log groups are of cloudwatch to Pulumi, of logs to AWS.
    assert {name.rstrip("_") for name in SERVICES} == used | {"logs", "sts"}


def test_the_database_url_travels_as_a_secret(config: dict[str, str], package: str) -> None:
    wire = Wire()
    url = "postgresql://top"
    target = AwsTarget(endpoint=LOCALSTACK, lambda_service=True, package=package, database_url=url)
    run(lambda: declare(WITH_DATABASE, Settings.load()), Monitor(wire), stack="dev", config=config | target.config())
    (function,) = [inputs for type_, inputs in wire.inputs if type_ == graph.FUNCTION]
    assert SECRET_MARK in function["environment"]
    assert url not in json.dumps([{**inputs, "environment": None, "code": None} for _, inputs in wire.inputs])
