"""How business functions become handlers: the decorator, and the table of what a group handles."""

import importlib
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from millrace.declarations import LambdaGroup, Payload, WorkerGroup

from workers.environment import SettingsError
from workers.stores.level import Level

if TYPE_CHECKING:  # handlers that do not use the database must not need its library
    from workers.work import UnitOfWork

EventT = TypeVar("EventT", bound=Payload)
Function = Callable[[EventT, "UnitOfWork"], None]
BatchFunction = Callable[[Sequence[EventT], "UnitOfWork"], None]


class HandlerMissing(Exception):
    """The catalog gives a group an event or a task that no function handles, or the other way round."""


class StoreTooWeak(SettingsError):
    """A handler needs more than the store of the inbox promises; `handlers` says which."""

    def __init__(self, level: Level, handlers: str) -> None:
        self.handlers = handlers
        super().__init__(
            f"the inbox must have the level that its handlers need, got {level.name}: {handlers}; "
            "leave MILLRACE_INBOX_URL unset, name a better store, or declare less with @handles(..., needs=Level...)"
        )


class Handler(Generic[EventT]):
    """A business function with the payload it handles, and what it needs of the inbox; calling it calls the function.

    `external_may_repeat` lets it call outside (`work.external`) though a BEST_EFFORT store may forget that it did.
    """

    def __init__(
        self,
        payload: type[EventT],
        function: Function[EventT],
        needs: Level = Level.TRANSACTIONAL,
        *,
        external_may_repeat: bool = False,
    ) -> None:
        self.payload = payload
        self.function = function
        self.needs = needs
        self.external_may_repeat = external_may_repeat
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    @property
    def group(self) -> str:
        """The group that this handler belongs to: the one its module is named for."""
        return group_of(self.function.__module__)

    def __call__(self, event: EventT, work: "UnitOfWork") -> None:
        self.function(event, work)

    def delay(self, **fields: Any) -> str:
        """Enqueue for this handler's own group only, as a Celery message; returns the event's id.

        The fields are the payload's. Raises InvalidEvent if they do not fit, kombu's errors if the broker refuses.
        """
        from workers.app import send_to_group  # noqa: PLC0415 (handlers must not need Celery)

        return send_to_group(self.group, self.payload.model_validate(fields))


class BatchHandler(Handler[EventT]):
    """A business function of many events at once; where there is but one, of a list of one."""

    def __init__(self, payload: type[EventT], together: BatchFunction[EventT]) -> None:
        @wraps(together)
        def alone(event: EventT, work: "UnitOfWork") -> None:
            together([event], work)

        super().__init__(payload, alone)
        self.together = together


def handles(
    payload: type[EventT], *, needs: Level = Level.TRANSACTIONAL, external_may_repeat: bool = False
) -> Callable[[Function[EventT]], Handler[EventT]]:
    """Make a function `(event, work)` the handler of a payload class, for the group that its module is named for.

    `needs` is the lowest level of inbox it may run with; below TRANSACTIONAL it cannot use `work.execute`. With
    `external_may_repeat` its external calls are made even where the inbox may forget them (BEST_EFFORT).
    """

    def register(function: Function[EventT]) -> Handler[EventT]:
        return Handler(payload, function, needs, external_may_repeat=external_may_repeat)

    return register


def handles_batch(payload: type[EventT]) -> Callable[[BatchFunction[EventT]], BatchHandler[EventT]]:
    """Make a function `(events, work)` the handler of all events of a payload class that are there at a time.

    Its effects and the outcomes of all its events commit together; `work.events` are their envelopes. If it raises, it
    is called again with fewer, until the event that fails is alone. The group's `longest_runtime` bounds one call.
    """

    def register(function: BatchFunction[EventT]) -> BatchHandler[EventT]:
        return BatchHandler(payload, function)

    return register


def require_level(handlers: Iterable[Handler[Any]], level: Level) -> None:
    """Raise StoreTooWeak that names each handler which needs more than the level of its inbox."""
    weak = [handler for handler in handlers if level < handler.needs]
    if weak:
        needs = ", ".join(f"{each.__name__} ({each.payload.event_type}) needs {each.needs.name}" for each in weak)
        raise StoreTooWeak(level, needs)


def group_of(module: str) -> str:
    """The group that a module of handlers is named for (`workers.handlers.order_mail` is `order-mail`)."""
    return module.rpartition(".")[2].replace("_", "-")


def load_handlers(package: str, group: WorkerGroup | LambdaGroup) -> dict[str, Handler[Any]]:
    """The group's handlers by event type; raises HandlerMissing unless they are just what the catalog says."""
    name = f"{package}.{group.name.replace('-', '_')}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise HandlerMissing(f"group {group.name} needs a module {name} with its handlers") from None
    found = [value for value in vars(module).values() if isinstance(value, Handler) and value.group == group.name]
    handlers = {handler.payload.event_type: handler for handler in found}
    tasks = group.tasks if isinstance(group, WorkerGroup) else ()
    wanted = {payload.event_type for payload in (*group.handles, *tasks)}
    missing, surplus = sorted(wanted - set(handlers)), sorted(set(handlers) - wanted)
    if missing or surplus or len(found) > len(handlers):
        raise HandlerMissing(
            f"{name} must have one handler for each of {sorted(wanted)}: "
            f"missing {missing}, not in the catalog {surplus}"
        )
    return handlers
