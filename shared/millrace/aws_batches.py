"""Batches as SNS and SQS take them: of one target each, with at most ten entries and not too many bytes."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from millrace.aws_derived import SQS_BATCH

#: A batch may hold 256 KiB, attributes among them (SNS, PublishBatch).
MOST_BYTES = 250_000
ATTRIBUTES_BYTES = 1_000

Entry = TypeVar("Entry")


def batches(
    entries: Iterable[Entry], *, target: Callable[[Entry], Hashable], text: Callable[[Entry], bytes]
) -> list[list[Entry]]:
    """The entries in batches, those of a target in their order; `text` gives what an entry holds beside attributes."""
    by_target: dict[Hashable, list[list[Entry]]] = {}
    sizes: dict[Hashable, int] = {}
    for entry in entries:
        where, size = target(entry), len(text(entry)) + ATTRIBUTES_BYTES
        its = by_target.setdefault(where, [[]])
        if its[-1] and (len(its[-1]) == SQS_BATCH or sizes[where] + size > MOST_BYTES):
            its.append([])
            sizes[where] = 0
        its[-1].append(entry)
        sizes[where] = sizes.get(where, 0) + size
    return [batch for its in by_target.values() for batch in its]
