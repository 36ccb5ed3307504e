"""The program as it is breaks no rule, and each rule has something in it to look at."""

from infra.__main__ import declare
from infra.guardrails import violations
from infra.guardrails.rules import RULES
from infra.offline_engine import AwsTarget
from infra.offline_engine.recording import Recording, record
from infra.settings import Settings
from tests.aws_catalog import CATALOG
from tests.unit.infra.guardrails.breaking import Stack, messages


def test_the_whole_program_has_no_violation(whole: Stack) -> None:
    sides = {one.type.partition(":")[0] for one in whole}
    assert sides == {"aws", "kubernetes", "rabbitmq", "random"}
    assert messages(whole) == []


def test_the_sample_on_one_machine_has_none_either(recording: Recording) -> None:
    assert violations(recording.resources) == []


def test_the_door_on_one_machine_has_none_either(config: dict[str, str]) -> None:
    local = config | AwsTarget(endpoint="http://127.0.0.1:1").config()
    door = record(lambda: declare(CATALOG, Settings.load()), stack="test", config=local, known={}).resources
    assert any(one.type == "aws:sqs/queue:Queue" for one in door)
    assert violations(door) == []


def test_names_of_rules_are_apart() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
