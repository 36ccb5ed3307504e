"""Starts LocalStack on this machine without Docker: `python localstack/serve.py`, in the environment made for it.

Its DynamoDB is a Java program that it would download; moto's, which it brings along, takes its place. Moto checks a
condition and writes in two steps: one request at a time keeps them together. And LocalStack listens on every interface,
whatever GATEWAY_LISTEN says (a TODO in its localstack/runtime/server/twisted.py): here on that one only.
"""

import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from localstack.aws.api.dynamodb import DynamodbApi
from localstack.runtime.main import main
from localstack.services import providers
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service, aws_provider
from twisted.internet import endpoints

from localstack import config

ONE_AT_A_TIME = threading.Lock()


def dynamodb() -> Service:
    """DynamoDB by moto."""
    return Service.for_provider(DynamodbApi(), dispatch_table_factory=_one_at_a_time)


def _one_at_a_time(provider: DynamodbApi) -> dict[str, Callable[..., Any]]:
    return {name: _locked(operation) for name, operation in MotoFallbackDispatcher(provider).items()}


def _locked(operation: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **keywords: Any) -> Any:
        with ONE_AT_A_TIME:
            return operation(*arguments, **keywords)

    return call


if __name__ == "__main__":
    providers.dynamodb = aws_provider()(dynamodb)
    only = config.GATEWAY_LISTEN[0].host
    endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface=only)
    sys.exit(main())
