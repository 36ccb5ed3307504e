"""The configuration: every setting of the program is declared in Pulumi.yaml, with a default that fits."""

from dataclasses import fields, replace
from pathlib import Path

import pulumi
import pytest
from millrace.catalog import CATALOG
from millrace.declarations import Catalog

from infra.__main__ import declare
from infra.aws import settings as aws_settings
from infra.offline_engine import AwsTarget
from infra.offline_engine.recording import record
from infra.settings import Settings
from operations.cli.package import DIRECTORY
from operations.local.layout import REPOSITORY
from operations.packaging import Package
from tests import aws_catalog

PULUMI_YAML = Path(__file__).parents[3] / "Pulumi.yaml"


def declared_keys() -> set[str]:
    lines = PULUMI_YAML.read_text(encoding="utf-8").split("\nconfig:\n")[1].splitlines()
    return {line.strip(" :") for line in lines if line.startswith("  ") and not line.startswith("   ")}


#: The settings of what runs on Kubernetes.
OF_KUBERNETES = frozenset(
    {
        *("kubeconfig", "kubeContext", "kubernetesNamespace", "workerImage", "workerConcurrency", "podQuota"),
        *("databaseUrl", "databaseNetworks", "smtpUrl", "groupNetworks"),
        *("brokerNodes", "brokerAddress", "brokerTls", "brokerManagement", "brokerNetworks", "brokerCertificate"),
        *("brokerMemory", "brokerDisk"),
    }
)


def test_every_setting_is_declared() -> None:
    of_aws = AwsTarget(endpoint="").config().keys()
    assert declared_keys() == {one.name for one in fields(Settings)} - {"vhost"} | of_aws | OF_KUBERNETES


def stack_file(stack: str) -> dict[str, str]:
    """The settings in a stack's file, which is a plain one."""
    lines = (PULUMI_YAML.with_name(f"Pulumi.{stack}.yaml")).read_text(encoding="utf-8").splitlines()
    pairs = (line.strip().removeprefix("millrace:").split(": ") for line in lines if line.startswith("  millrace:"))
    return {name: value.strip('"') for name, value in pairs}


@pytest.mark.parametrize("stack", ["dev", "aws"])
def test_the_stacks_files_are_accepted(
    config: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: str
) -> None:
    given = stack_file(stack)
    assert given.keys() <= declared_keys()
    monkeypatch.setattr(aws_settings, "REPOSITORY", tmp_path)
    made = tmp_path / DIRECTORY.relative_to(REPOSITORY)
    made.mkdir(parents=True)
    (made / Package(database=False).name).touch()
    whole = config | AwsTarget(endpoint="").config() | given
    recorded = record(lambda: declare(aws_catalog.CATALOG, Settings.load()), stack=stack, config=whole, known={})
    topics = [one.inputs["topic"] for one in recorded.resources if one.type.endswith("TopicSubscription")]
    assert {arn.split(":")[4] for arn in topics} == {given["awsAccount"]}
    has_functions = any(one.type == "aws:lambda/function:Function" for one in recorded.resources)
    assert has_functions == (stack == "aws")


def test_the_example_of_kubernetes_is_accepted(config: dict[str, str]) -> None:
    whole = config | stack_file("kubernetes") | {"kubeconfig": "/k", "smtpUrl": "smtp://mail.example.com:587"}
    whole["databaseUrl"] = "postgresql+psycopg://user:word@10.20.8.5/millrace"
    recorded = record(lambda: declare(CATALOG, Settings.load()), stack="kubernetes", config=whole, known={})
    scaled = [one.name for one in recorded.resources if one.type.endswith(":ScaledObject")]
    assert sorted(scaled) == sorted(f"worker-{group.name}" for group in CATALOG.groups)


def test_the_example_has_every_setting_but_secrets() -> None:
    secret = {"password", "functionDatabaseUrl", "databaseUrl", "kubeconfig", "smtpUrl"}
    of_aws = AwsTarget(endpoint="").config().keys() - {"aws"}
    assert stack_file("aws").keys() == declared_keys() - secret - OF_KUBERNETES - {"kubernetes"}
    assert stack_file("kubernetes").keys() == declared_keys() - secret - of_aws


def test_a_missing_setting_is_named(config: dict[str, str]) -> None:
    partial = {key: value for key, value in config.items() if key != "endpoint"}
    with pytest.raises(pulumi.ConfigMissingError, match="endpoint"):
        record(lambda: declare(CATALOG, Settings.load()), stack="test", config=partial, known={})


def test_a_run_after_one_that_failed_starts_afresh(config: dict[str, str]) -> None:
    small = Catalog(events=CATALOG.events, groups=CATALOG.groups[:1])

    def refuse(_password: str) -> str:
        raise ValueError("a program may fail at any point")

    def failing() -> None:
        settings = Settings.load()
        declare(small, replace(settings, password=settings.password.apply(refuse)))

    with pytest.raises(ValueError, match="at any point"):
        record(failing, stack="test", config=config, known={})
    assert record(lambda: declare(small, Settings.load()), stack="test", config=config, known={}).resources
