"""Where `up` must not go on: an AWS that is silent, of another account, or not of the settings."""

from dataclasses import replace

import pytest

from infra import offline_engine
from infra.aws import settings
from infra.offline_engine import AwsProblem
from infra.refusal import Refused
from tests.integration.infra.conftest import StackUnderTest


def test_an_endpoint_that_does_not_answer_is_said_so_before_anything_is_touched(aws_stack: StackUnderTest) -> None:
    assert aws_stack.aws is not None
    silent = replace(aws_stack, aws=replace(aws_stack.aws, endpoint="http://127.0.0.1:1"))
    with pytest.raises(AwsProblem, match=r"127\.0\.0\.1:1 does not answer.*start LocalStack"):
        silent.up()
    assert aws_stack.vhost not in {vhost["name"] for vhost in aws_stack.get("vhosts")}


def test_credentials_of_another_account_are_refused(aws_stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("infra.offline_engine.aws.clients.boto3.Session.client", lambda *_, **__: _OfAnother())
        with pytest.raises(AwsProblem, match="must be of account"):
            aws_stack.up()
    assert aws_stack.vhost not in {vhost["name"] for vhost in aws_stack.get("vhosts")}


class _OfAnother:
    """STS, as it answers to somebody else."""

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "999999999999"}

    def close(self) -> None:
        """Nothing is open."""


def test_what_the_program_refuses_is_refused(aws_stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "STAND_IN_ACCOUNTS", {"123456789012"})
    with pytest.raises(Refused, match="awsAccount must be one of 123456789012"):
        aws_stack.up()
    with pytest.raises(offline_engine.NotApplied):
        offline_engine.outputs(aws_stack.name, aws_stack.state_dir)
