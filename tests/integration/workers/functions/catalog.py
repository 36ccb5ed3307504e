"""A catalog with a function that does what its events say."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from millrace.declarations import Catalog, Event, LambdaGroup, Payload, PlainFunction, Retry, Topic
from millrace.events import UserSignedUp


class PartSeen(Payload):
    """Something for the function to do, in a way that the tests choose."""

    event_type: ClassVar[str] = "part.seen"
    part: str
    how: str = "well"


class PartStored(Payload):
    """What the function tells others."""

    event_type: ClassVar[str] = "part.stored"
    part: str


class PartNoted(Payload):
    """What the function with a database handles."""

    event_type: ClassVar[str] = "part.noted"
    part: str


RETRY = Retry(attempts=3, delay=timedelta(seconds=1), factor=1, longest_delay=timedelta(seconds=1), jitter=0)

CATALOG = Catalog(
    events=[
        Event(PartSeen, aliases=["PART_SEEN"], public=Topic("PartSeen")),
        Event(PartStored),
        Event(PartNoted, public=Topic("PartNoted")),
        Event(UserSignedUp, aliases=["USER_SIGNUP"], public=Topic("MyTopic")),
    ],
    groups=[],
    functions=[
        LambdaGroup("parts", handles=[PartSeen], longest_runtime=timedelta(seconds=10), retry=RETRY),
        LambdaGroup("notes", handles=[PartNoted], longest_runtime=timedelta(seconds=10), retry=RETRY, database=True),
        LambdaGroup("audit", handles=[UserSignedUp], longest_runtime=timedelta(seconds=2), retry=RETRY),
        PlainFunction(
            "guide",
            handles=UserSignedUp,
            handler="workers.plain_functions.consumer.lambda_handler",
            timeout=timedelta(seconds=3),
        ),
        PlainFunction(
            "stuck",
            handles=UserSignedUp,
            handler="tests.integration.workers.functions.handlers.stuck.handler",
            timeout=timedelta(seconds=1),
        ),
        PlainFunction(
            "broken", handles=UserSignedUp, handler="tests.integration.workers.functions.handlers.broken.handler"
        ),
        PlainFunction(
            "teller", handles=UserSignedUp, handler="tests.integration.workers.functions.handlers.teller.handler"
        ),
    ],
)
