"""What the inbox decides: which delivery of an event may run. The words are those of every store (workers.stores).

States: running (until it may be taken over), retrying (the next attempt is due later), and the outcomes processed,
discarded, dead-lettered. Every claim raises `fence`; only the holder of the latest may complete.
"""

import uuid
from dataclasses import dataclass, field

from millrace.envelope import Envelope

RUNNING, RETRYING = "running", "retrying"
PROCESSED, DISCARDED, DEAD_LETTERED = "processed", "discarded", "dead-lettered"
FINAL = frozenset({PROCESSED, DISCARDED})
#: A retry that comes back by the broker's clock may be early by the store's.
EARLY_SECONDS = 1.0


class Fenced(Exception):
    """Another delivery has taken this event over: nothing of this attempt may be kept."""


def overtaken(held: "Claim") -> Fenced:
    """The error of a claim that is not the latest any more."""
    return Fenced(f"{held.request.envelope.id}: attempt {held.attempt} was overtaken")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a delivery asks of the inbox; `token` tells it from every other."""

    group: str
    envelope: Envelope
    fingerprint: str
    generation: int
    owner: str
    lease_seconds: float
    max_attempts: int
    token: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a store has on record of an event; its next attempt is due in `wait` seconds, by the store's time."""

    state: str
    fingerprint: str
    attempts: int
    generation: int
    fence: int
    wait: float
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Permission to run: the attempt's number (1 is the first) and its fence."""

    request: Request
    attempt: int
    fence: int


@dataclass(frozen=True)
class Duplicate:
    """The event has its outcome already; this delivery is absorbed."""

    state: str


@dataclass(frozen=True)
class Busy:
    """Another attempt runs or is due later: come back after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Conflict:
    """Same group, source and id, but another payload."""


@dataclass(frozen=True)
class Exhausted:
    """All attempts are used up: the claim is there only to record that; `error` is what the last one left."""

    held: Claim
    error: str | None


Verdict = Claim | Duplicate | Busy | Conflict | Exhausted


def decide(row: Recorded, request: Request) -> Verdict:
    """What a delivery may do, given what is on record."""
    if row.fingerprint != request.fingerprint:
        return Conflict()
    buried = row.state == DEAD_LETTERED
    if row.state in FINAL or (buried and request.generation <= row.generation):
        return Duplicate(row.state)
    early = EARLY_SECONDS if row.state == RETRYING else 0.0
    if not buried and row.wait > early:
        return Busy(row.wait)
    if request.generation > row.generation:
        return Claim(request=request, attempt=1, fence=row.fence + 1)
    if row.attempts >= request.max_attempts:
        return Exhausted(Claim(request=request, attempt=row.attempts, fence=row.fence + 1), row.error)
    return Claim(request=request, attempt=row.attempts + 1, fence=row.fence + 1)
