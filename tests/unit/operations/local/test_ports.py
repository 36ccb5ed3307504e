"""Ports: who holds a taken one, and which are free."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from operations.local.errors import LocalError
from operations.local.ports import LOOPBACK, PortsTaken, free_among, free_ports, is_free, require_free
from operations.local.stack_ports import StackPorts, stack_ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_free_ports_are_distinct_and_below_those_of_outgoing_connections() -> None:
    found = free_ports(20)
    assert len(set(found)) == 20
    assert all(is_free(port) and port < 32_000 for port in found)


def test_a_taken_port_is_named_with_its_purpose_and_holder(taken: int) -> None:
    with pytest.raises(PortsTaken, match=rf"{taken} \(Flower\) held by .*pid {os.getpid()}"):
        require_free({"Flower": taken, "the mail sink": free_ports(1)[0]})


def test_every_taken_port_is_named_at_once(taken: int) -> None:
    with pytest.raises(PortsTaken, match=r"\(one\).*\(two\)"):
        require_free({"one": taken, "two": taken})


def test_a_server_on_all_interfaces_counts_as_taken() -> None:
    with socket.create_server(("", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_the_next_free_ones_leave_out_what_is_taken(taken: int) -> None:
    found = free_among(taken, 2, {taken + 1})
    assert len(found) == 2
    assert not {taken, taken + 1} & set(found)


def test_no_default_is_a_port_that_others_commonly_use() -> None:
    assert {StackPorts().amqp, StackPorts().management, StackPorts().epmd}.isdisjoint({5672, 15672, 25672, 4369})


def test_the_environment_chooses_ports() -> None:
    chosen = stack_ports({"MILLRACE_AMQP_PORT": "7001", "MILLRACE_FIRST_METRICS_PORT": "7100"})
    assert chosen == StackPorts(amqp=7001, metrics=7100)


@pytest.mark.parametrize("wrong", ["x", "0", "70000", "-1"])
def test_what_is_no_port_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(LocalError, match=f"MILLRACE_SMTP_PORT must be a port from 1 to 65535, got '{wrong}'"):
        stack_ports({"MILLRACE_SMTP_PORT": wrong})
