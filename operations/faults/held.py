"""Deliveries that a worker holds for longer than the broker allows: it closes the worker's channel."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from operations.faults import judging
from operations.faults.crash_points import BEFORE_COMMIT, GO, Order
from operations.faults.limits import broker_of, within
from operations.faults.scenario import Fault, NotHere, Scene
from operations.faults.world import World
from operations.local.rabbitmq_node import control

#: A delivery may stay without its ack so long, and that is looked at so often, in milliseconds; RabbitMQ's own values.
HELD, LOOKED = (3_000, 500), (1_800_000, 60_000)
#: What RabbitMQ writes when it closes a channel for that.
TIMED_OUT = "delivery acknowledgement on channel"
STOPPED = 20
#: From this version on the queue itself looks after its deliveries, and cancels the consumer (its release notes).
CANCELLING = (4, 3)


def held_deliveries(directory: Path) -> Fault:
    """Attempts of `first` stand still until the broker loses patience with their worker and closes its channel.

    Then they go on, and commit what they can no longer ack.
    """
    directory.mkdir(parents=True)
    order = Order(point=BEFORE_COMMIT, count=STOPPED, chance=0.3, directory=directory, how="freeze")

    def wait_for_time_out(scene: Scene, _rng: random.Random) -> int:
        if not (directory / GO).exists():
            _set_consumer_timeout(scene.world, *HELD)
            scene.world.workers_proxy.cut()  # a channel keeps the time that it began with
            (directory / GO).touch()
        before = _timed_out(scene.world)
        within(lambda: _timed_out(scene.world) > before)
        _let_go_on(scene.world)
        return _timed_out(scene.world) - before

    def heal(world: World) -> None:
        (directory / GO).unlink(missing_ok=True)
        _let_go_on(world)
        _set_consumer_timeout(world, *LOOKED)
        world.workers_proxy.cut()

    return Fault(
        name="deliveries held too long",
        inject=wait_for_time_out,
        around=closing_channels,
        heal=heal,
        arming={"worker-first": order.as_environment()},
        lasting=40.0,
        # Celery does not go on after a channel error: the worker ends and is started again.
        tolerated=frozenset({judging.DIED}),
    )


@contextmanager
def closing_channels(world: World) -> Iterator[None]:
    """Go on with a broker that closes the channel; since 4.3 the queue cancels the consumer instead: NotHere."""
    with world.management() as api:
        version = str(api.get("/api/overview").raise_for_status().json()["rabbitmq_version"])
    if tuple(int(part) for part in version.split(".")[:2]) >= CANCELLING:
        raise NotHere(f"RabbitMQ must close the channel of a held delivery, as before 4.3, got {version}")
    yield


def _let_go_on(world: World) -> None:
    for child in world.children(world.worker("first")):
        with suppress(psutil.NoSuchProcess):
            child.resume()


def _set_consumer_timeout(world: World, patience: int, every: int) -> None:
    for name, value in (("consumer_timeout", patience), ("channel_tick_interval", every)):
        control(broker_of(world), "eval", f"application:set_env(rabbit, {name}, {value}).")


def _timed_out(world: World) -> int:
    return world.layout.log("broker").read_text(errors="replace").count(TIMED_OUT)
