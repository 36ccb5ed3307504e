"""The configuration: every setting of the program is declared in Pulumi.yaml, with a default that fits."""

from dataclasses import fields, replace
from pathlib import Path

import pulumi
import pytest
from millrace.catalog import CATALOG

from infra.__main__ import declare
from infra.offline_engine import AwsTarget
from infra.offline_engine.recording import record
from infra.settings import Settings

PULUMI_YAML = Path(__file__).parents[3] / "Pulumi.yaml"


def declared_keys() -> set[str]:
    lines = PULUMI_YAML.read_text(encoding="utf-8").split("\nconfig:\n")[1].splitlines()
    return {line.strip(" :") for line in lines if line.startswith("  ") and not line.startswith("   ")}


def test_every_setting_is_declared() -> None:
    of_aws = AwsTarget(endpoint="").config().keys()
    assert declared_keys() == {one.name for one in fields(Settings)} - {"vhost"} | of_aws


def test_a_missing_setting_is_named(config: dict[str, str]) -> None:
    partial = {key: value for key, value in config.items() if key != "endpoint"}
    with pytest.raises(pulumi.ConfigMissingError, match="endpoint"):
        record(lambda: declare(CATALOG, Settings.load()), stack="test", config=partial, known={})


def test_a_run_after_one_that_failed_starts_afresh(config: dict[str, str]) -> None:
    def refuse(_password: str) -> str:
        raise ValueError("a program may fail at any point")

    def failing() -> None:
        settings = Settings.load()
        declare(CATALOG, replace(settings, password=settings.password.apply(refuse)))

    with pytest.raises(ValueError, match="at any point"):
        record(failing, stack="test", config=config, known={})
    assert record(lambda: declare(CATALOG, Settings.load()), stack="test", config=config, known={}).resources
