"""The ports of the local stack: own defaults, so that nothing that runs here already is met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from operations.local.errors import LocalError
from operations.local.localstack import DEFAULT_PORT
from operations.local.rabbitmq_node import NodePorts

_HIGHEST_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class StackPorts:
    """Loopback ports; each can be set by the variable MILLRACE_<NAME>_PORT when the stack is started."""

    amqp: int = 5682
    management: int = 15682
    distribution: int = 25682
    epmd: int = 4379
    flower: int = 5555
    smtp: int = 8025
    localstack: int = DEFAULT_PORT
    metrics: int = 9150
    """The first of the metrics ports: one per worker group, relay, keeper, and what is at the AWS door."""

    @property
    def node(self) -> NodePorts:
        """Those of the broker."""
        return NodePorts(amqp=self.amqp, management=self.management, distribution=self.distribution, epmd=self.epmd)


def stack_ports(environment: Mapping[str, str]) -> StackPorts:
    """The defaults, or what the environment says.

    Raises:
        LocalError: a variable does not hold a port.
    """
    given: dict[str, int] = {}
    for field in fields(StackPorts):
        # MILLRACE_METRICS_PORT is what a single worker is told; the first of a range has its own name.
        variable = f"MILLRACE_{'FIRST_METRICS' if field.name == 'metrics' else field.name.upper()}_PORT"
        text = environment.get(variable, "")
        if text and not (text.isdecimal() and 1 <= int(text) <= _HIGHEST_PORT):
            raise LocalError(f"{variable} must be a port from 1 to {_HIGHEST_PORT}, got {text!r}")
        if text:
            given[field.name] = int(text)
    return StackPorts(**given)
