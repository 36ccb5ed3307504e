"""Faults of broker, database and the lines to them."""

from __future__ import annotations

import contextlib
import random
import signal
import time

import psutil
from millrace import names
from millrace.derived import SILENCE_SECONDS

from operations.faults import judging
from operations.faults.limits import alarmed, broker_of, within
from operations.faults.postgres import answers
from operations.faults.scenario import Fault, Scene
from operations.faults.world import World
from operations.local.management import accepts_connections
from operations.local.rabbitmq_node import control

#: Longer than it takes to notice that a line is silent: it is not the reset at its end that tells.
HOLE_SECONDS = 1.5 * SILENCE_SECONDS
ALARM_SECONDS = 10.0
#: No machine has so little memory that a running broker keeps below it; what RabbitMQ 3.10 has by default.
ALARMING, USUAL = "0.00001", "0.4"
FREEZE_SECONDS = 30.0


def kill_broker(scene: Scene, _rng: random.Random) -> bool:
    """SIGKILL the broker once it serves again; the supervisor starts it."""
    return broker_answers(scene.world) and scene.world.signal("broker", signal.SIGKILL)


def restart_broker(scene: Scene, _rng: random.Random) -> bool:
    """SIGTERM the broker once it serves again: it stops in order, and the supervisor starts it."""
    return broker_answers(scene.world) and scene.world.signal("broker", signal.SIGTERM)


def broker_answers(world: World) -> bool:
    """Whether the broker takes connections."""
    host, _, port = world.broker.amqp.rpartition(":")
    return accepts_connections(int(port), host)


def kill_database(scene: Scene, _rng: random.Random) -> bool:
    """SIGKILL PostgreSQL once it answers again; it recovers from its log when it is started."""
    return answers(scene.world.engine) and scene.world.signal("postgres", signal.SIGKILL)


def freeze_database(scene: Scene, _rng: random.Random) -> bool:
    """SIGSTOP every process of PostgreSQL for a while."""
    pid = scene.world.pid("postgres")
    if pid is None:
        return False
    server = psutil.Process(pid)
    frozen = [server, *server.children(recursive=True)]  # it starts no more once it stands still itself
    try:
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(FREEZE_SECONDS)
    finally:
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
    return True


def cut_lines(scene: Scene, _rng: random.Random) -> bool:
    """Reset every connection of workers, relay and keeper, in the middle of their work."""
    scene.world.workers_proxy.cut()
    return True


def black_hole(scene: Scene, _rng: random.Random) -> bool:
    """Hold every byte between the stack and the broker, both ways, then reset the connections."""
    scene.world.workers_proxy.hold()
    time.sleep(HOLE_SECONDS)
    scene.world.workers_proxy.cut()
    scene.world.workers_proxy.let_pass()
    return True


def hold_confirms(scene: Scene, _rng: random.Random) -> bool:
    """Hold what the broker answers to the publisher for longer than it waits, then cut the line; took if it noticed."""
    failed = scene.load.failures
    scene.world.load_proxy.hold(up=False, down=True)
    time.sleep(4)
    scene.world.load_proxy.cut()
    scene.world.load_proxy.let_pass()
    return within(lambda: scene.load.failures > failed)


def memory_alarm(scene: Scene, _rng: random.Random) -> bool:
    """Make the broker stop reading from publishers for a while."""
    _set_watermark(scene.world, ALARMING)
    try:
        took = within(lambda: alarmed(scene.world))
        time.sleep(ALARM_SECONDS)
        return took
    finally:
        _set_watermark(scene.world, USUAL)


def _set_watermark(world: World, share: str) -> None:
    control(broker_of(world), "set_vm_memory_high_watermark", share)


def unbind(scene: Scene, _rng: random.Random) -> bool:
    """Delete the binding of `first` for a while: what comes is parked, and released when `up` has put it back."""
    with scene.world.management() as api:
        path = f"/api/bindings/{scene.world.record.vhost}/e/{names.EVENTS}/q/{names.group_queue('first')}"
        for binding in api.get(path).raise_for_status().json():
            api.delete(f"{path}/{binding['properties_key']}").raise_for_status()
    time.sleep(2)
    scene.world.apply()
    return True


FAULTS = (
    # RabbitMQ 3.10 confirms, in the moment of its restart, an event that its stream then drops (its other queues do
    # not): it sends again out of order what the stream's new writer then takes for a duplicate.
    Fault(name="kill -9 of the broker", inject=kill_broker, injections=3, tolerated=frozenset({judging.NOT_INDEXED})),
    Fault(name="broker restarted", inject=restart_broker, injections=3, tolerated=frozenset({judging.NOT_INDEXED})),
    Fault(name="kill -9 of the database", inject=kill_database, needs="postgres"),
    Fault(name="database frozen", inject=freeze_database, needs="postgres", injections=1),
    Fault(name="lines cut", inject=cut_lines, injections=8),
    Fault(name="black hole", inject=black_hole, injections=1),
    Fault(name="confirms held", inject=hold_confirms, lasting=15.0),
    Fault(name="memory alarm", inject=memory_alarm, injections=1, lasting=15.0),
    Fault(name="binding deleted", inject=unbind, injections=5),
)
