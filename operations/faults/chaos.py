"""Mixed chaos: faults of every kind, drawn by the seed, one after the other in the middle of one load."""

from __future__ import annotations

import random
from collections.abc import Sequence

from operations.faults import judging
from operations.faults.broker_faults import broker_answers
from operations.faults.postgres import answers
from operations.faults.sample import HANGS
from operations.faults.scenario import Fault, Scene

EVERY_SECONDS = 20.0
#: What any of the faults may redden.
TOLERATED = frozenset({judging.NOT_INDEXED, judging.DIED})


def mixable(faults: Sequence[Fault]) -> list[Fault]:
    """Those that hurt a stack which was started as usual: the others come with armed or misbehaving processes."""
    return [
        fault
        for fault in faults
        if not (fault.arming or fault.behaviour or fault.poison or fault.twice or fault.around)
    ]


def chaos(faults: Sequence[Fault], every: float = EVERY_SECONDS) -> Fault:
    """One of the faults every so many seconds, among events that fail once or hang once; the same seed draws the same.

    Raises ValueError if there is none to draw from.
    """
    drawn = mixable(faults)
    if not drawn:
        raise ValueError("mixed chaos must have faults to draw from, got none that fit")

    def inject(scene: Scene, rng: random.Random) -> int:
        if not (broker_answers(scene.world) and answers(scene.world.engine)):
            return 0  # what was done before is not over
        fault = rng.choice([fault for fault in drawn if fault.fits(scene.world)])
        hit = fault.inject(scene, rng)
        fault.heal(scene.world)
        scene.world.say(f"    {fault.name}: {int(hit)} hit")
        return int(hit)

    return Fault(
        name="mixed chaos",
        inject=inject,
        behaviour={"fails once": 0.01, HANGS: 0.0005},
        every=every,
        tolerated=TOLERATED,
    )
