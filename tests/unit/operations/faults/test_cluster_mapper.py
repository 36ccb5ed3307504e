"""The port mapper, asked by Erlang itself."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from operations.faults.cluster_mapper import PortMapper
from operations.faults.proxy import Proxy
from operations.local.daemon import wait_for
from operations.local.ports import LOOPBACK, free_ports
from operations.local.rabbitmq_node import find_epmd
from tests.real_servers import missing

#: Pings the node that is named in each line it reads.
_PINGS = """
F = fun(G) -> case io:get_line("") of
  eof -> halt();
  Line -> Node = list_to_atom(string:trim(Line)), io:format("~p~n", [net_adm:ping(Node)]), G(G)
end end, F(F)."""
_LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1} -connect_all false -setcookie test"

Start = Callable[[str, PortMapper, int], "subprocess.Popen[str]"]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


@pytest.fixture
def start(stack: ExitStack, tmp_path: Path) -> Start:
    """Starts an Erlang node with a mapper, listening for others on a port."""
    if shutil.which("erl") is None:
        missing("Erlang", "install rabbitmq-server")

    def started(name: str, mapper: PortMapper, port: int) -> "subprocess.Popen[str]":
        listening = f"-kernel inet_dist_listen_min {port} inet_dist_listen_max {port}"
        env = {**os.environ, "HOME": str(tmp_path), "ERL_EPMD_PORT": str(mapper.port)}
        node = subprocess.Popen(
            ["erl", "-noshell", "-sname", f"{name}@localhost", *_LOOPBACK.split(), *listening.split(), "-eval", _PINGS],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(_end, node)
        return node

    return started


def _end(node: "subprocess.Popen[str]") -> None:
    node.kill()
    node.communicate(timeout=10)


def _ping(node: "subprocess.Popen[str]", peer: str) -> str:
    assert node.stdin is not None
    assert node.stdout is not None
    node.stdin.write(f"{peer}@localhost\n")
    node.stdin.flush()
    return node.stdout.readline().strip()


def _names(mapper: PortMapper) -> str:
    return subprocess.run(
        [find_epmd(), "-port", str(mapper.port), "-names"], check=True, capture_output=True, text=True, timeout=10
    ).stdout


def test_nodes_find_each_other_through_our_line_and_not_when_it_is_cut(stack: ExitStack, start: Start) -> None:
    """A peer is only reached through the proxy; one that ended is not there any more."""
    mapper_port, other_port, port, port_of_other = free_ports(4)
    mapper, other_mapper = (stack.enter_context(closing(PortMapper(each))) for each in (mapper_port, other_port))
    line, way_back = (stack.enter_context(Proxy(LOOPBACK, each)) for each in (port_of_other, port))
    mapper.show({"two": (other_mapper, line.port)})
    other_mapper.show({"one": (mapper, way_back.port)})
    one = start("one", mapper, port)
    assert _ping(one, "two") == "pang"  # it does not run yet
    two = start("two", other_mapper, port_of_other)
    assert _ping(two, "one") == "pong"
    assert (line.accepted, way_back.accepted) == (0, 1)
    assert _ping(one, "two") == "pong"  # by the connection that is there
    assert _names(mapper).splitlines()[1:] == [f"name one at port {port}"]
    line.refuse()
    way_back.refuse()
    assert _ping(one, "two") == "pang"
    assert _ping(two, "one") == "pang"
    line.let_pass()
    assert _ping(one, "two") == "pong"
    assert line.accepted == 1
    _end(two)
    assert _ping(one, "two") == "pang"
    wait_for(lambda: _names(other_mapper).splitlines()[1:] == [], 10, lambda: "the mapper must forget who ended")


def test_a_name_is_taken_once(stack: ExitStack, start: Start) -> None:
    """A second node by the name of one that runs is refused by the mapper, and ends."""
    mapper_port, port, port_of_second = free_ports(3)
    mapper = stack.enter_context(closing(PortMapper(mapper_port)))
    first = start("one", mapper, port)
    assert _ping(first, "nobody") == "pang"
    second = start("one", mapper, port_of_second)
    assert second.wait(20) != 0
    assert _names(mapper).splitlines()[1:] == [f"name one at port {port}"]
