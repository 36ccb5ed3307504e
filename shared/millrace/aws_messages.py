"""Messages as SNS and SQS take them: text, attributes, and batches of one target, not too large."""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

from millrace.aws_derived import SQS_BATCH

#: A batch may hold 256 KiB, attributes among them (SNS, PublishBatch).
MOST_BYTES = 250_000
ATTRIBUTES_BYTES = 1_000

Entry = TypeVar("Entry")
#: What SQS takes as text (XML 1.0); an event can have others, inside of its JSON's strings only.
_NOT_SENDABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sendable(text: str) -> str:
    r"""The text as SQS takes it: what it refuses is written as JSON would, \uXXXX, which in an event says the same."""
    return _NOT_SENDABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def text_attributes(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Message attributes of text."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


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
