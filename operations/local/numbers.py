"""How many workers each group of the local stack is to have: written by the scaler, followed by the supervisor."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from millrace.declarations import WorkerGroup

from operations.local.errors import LocalError
from operations.local.layout import Layout
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_node import write_secret

#: The process that says the numbers.
SCALER = "scaler"


class WrongNumbers(LocalError):
    """A file of numbers holds something else."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """A group's number of workers; `wanted` is the formula's, and `by_hand` says that a person has set it."""

    number: int
    wanted: int
    by_hand: bool = False


def read_numbers(layout: Layout) -> dict[str, Number]:
    """The numbers by group; empty while no scaler has said any. Raises WrongNumbers."""
    try:
        return parse_numbers(layout.numbers.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def parse_numbers(content: str) -> dict[str, Number]:
    """What `write_numbers` wrote; raises WrongNumbers for anything else."""
    try:
        found = {group: Number(**fields) for group, fields in json.loads(content).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise WrongNumbers(f"numbers.json must have a number for each group, got {error!r}") from None
    for group, number in found.items():
        if not isinstance(number.number, int) or not isinstance(number.wanted, int):
            raise WrongNumbers(f"numbers.json: {group} must have whole numbers, got {number}")
    return found


def write_numbers(layout: Layout, numbers: Mapping[str, Number]) -> None:
    """Write all of them in one step; raises OSError."""
    write_secret(layout.numbers, json.dumps({group: asdict(number) for group, number in numbers.items()}, indent=1))


def read_by_hand(layout: Layout) -> dict[str, int]:
    """The numbers that a person has set, by group; raises WrongNumbers."""
    try:
        found = json.loads(layout.by_hand.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(number, int) for number in found.values()):
        raise WrongNumbers(f"{layout.by_hand} must have a whole number for each group, mend it or delete it")
    return found


def set_by_hand(layout: Layout, group: str, number: int | None) -> None:
    """Set a group's number, or with None leave it to the formula again; it holds until then, over restarts too."""
    with layout.by_hand.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two at a time, neither undoes what the other says of another group
        numbers = {**read_by_hand(layout), group: number}
        write_secret(layout.by_hand, json.dumps({name: each for name, each in numbers.items() if each is not None}))


def begin_numbers(layout: Layout, groups: Iterable[WorkerGroup]) -> None:
    """Before anything runs: each group's smallest number, or what a person has set; the scaler goes on from there.

    Raises WrongNumbers.
    """
    if not layout.numbers.exists():
        smallest = {group.name: group.replicas[0] for group in groups}
        by_hand = read_by_hand(layout)
        write_numbers(
            layout,
            {
                name: Number(number=by_hand.get(name, number), wanted=number, by_hand=name in by_hand)
                for name, number in smallest.items()
            },
        )


def is_due(spec: ProcessSpec, numbers: Mapping[str, Number]) -> bool:
    """Whether a process should run: what belongs to no group always, a group's n-th worker by the group's number."""
    known = numbers.get(spec.replica_of)
    return spec.at_first if known is None else spec.replica <= known.number


def groups_awake(layout: Layout, specs: Iterable[ProcessSpec]) -> list[str]:
    """The groups that are to have a worker now; raises WrongNumbers."""
    numbers = read_numbers(layout)
    return sorted({spec.replica_of for spec in specs if spec.replica_of and is_due(spec, numbers)})
