"""Every error that Millrace raises on purpose; nothing here imports anything else of Millrace."""


class MillraceError(Exception):
    """The root of Millrace's own errors."""


class DeclarationError(MillraceError, ValueError):
    """A declaration in the catalog is wrong; raised at import, names what was expected and what came."""

    def __init__(self, where: str, expected: str, got: object) -> None:
        super().__init__(f"{where} must be {expected}, got {got!r}")


class InvalidEvent(MillraceError, ValueError):
    """An event cannot be accepted: `field` names the place, the message says what was expected."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


class TooLarge(InvalidEvent):
    """An event has more bytes than the wire format allows."""


class UnknownEventType(InvalidEvent):
    """No event of this type is declared in the catalog."""

    def __init__(self, type_: str) -> None:
        self.type = type_
        super().__init__("type", f"must be an event type of the catalog, got {type_[:120]!r}")


class UnknownSchemaVersion(InvalidEvent):
    """The payload's version is one that this release does not know."""

    def __init__(self, dataschema: str) -> None:
        self.dataschema = dataschema
        super().__init__("dataschema", f"unknown dataschema {dataschema[:200]!r}")


class PublishError(MillraceError):
    """An event was not confirmed by the broker; it may be sent again with the same id."""


class Unroutable(PublishError):
    """The broker returned the message: no queue takes it (the topology is not there, or another's)."""


class Refused(PublishError):
    """The broker answered with a negative confirm (a queue is full or failing)."""


class ChannelClosed(Refused):
    """The broker closed the channel: the exchange is not there, or the user may not write to it."""


class ConfirmTimeout(PublishError):
    """No confirm came in time (alarm, partition); whether the event was stored is not known."""


class BrokerUnreachable(PublishError):
    """No connection to the broker could be made, or it was lost before the confirm."""


class NotAllPublished(PublishError):
    """Some events of a bulk were not confirmed: `failed` has the error of each by its event id."""

    def __init__(self, failed: dict[str, PublishError]) -> None:
        self.failed = failed
        example, error = next(iter(failed.items()))
        super().__init__(f"{len(failed)} events were not confirmed, {example} among them: {error}")


class HandlerError(MillraceError):
    """The root of what a handler raises to decide its event's outcome."""


class Retryable(HandlerError):
    """Try again after the group's back-off (what any unknown exception means, too)."""


class Permanent(HandlerError):
    """Trying again cannot help: the event becomes a dead letter at once."""


class Discard(HandlerError):
    """The event needs nothing done: its outcome is `discarded`, with this reason."""


class NotDone(Retryable):
    """Raised by an external call that certainly had no effect, so that it may be made again."""
