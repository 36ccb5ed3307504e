"""`python -m workers.ingress`: brings what comes through SQS to RabbitMQ; run as many as you like.

A message is deleted from SQS after RabbitMQ has confirmed it, as an event or as a rejected letter. Whatever ends this
process in between, it comes again, with the same id.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

from millrace import aws_names
from millrace.declarations import Catalog

from workers.aws_clients import aws_client
from workers.ingress.checking import Door, Prepared
from workers.ingress.lambda_letters import told
from workers.ingress.queues import SqsMessage, SqsQueue
from workers.ingress.readers import HELPERS, Readers
from workers.ingress.reasons import function_letter, poison
from workers.ingress.sending import BulkSender
from workers.ingress.settling import Intake
from workers.outgoing import CAUSE_HEADER
from workers.service import run_service
from workers.settings import Settings


class Intakes:
    """The queues of a catalog on their way in."""

    def __init__(self, catalog: Catalog, prefix: str, clients: tuple[Any, Any], sender: BulkSender) -> None:
        self._catalog = catalog
        self._prefix = prefix
        self._clients = clients
        self._sender = sender

    def live(self) -> list[Intake]:
        """The queues of public event types."""
        door = Door(self._catalog)
        return [
            self._intake(queue, partial(door.prepare, queue=queue, expected=type_)) for queue, type_ in self._public()
        ]

    def dead(self) -> list[Intake]:
        """The dead-letter queues: of those, and of the functions."""
        of_types = [
            self._intake(aws_names.dead_queue(queue), partial(_poison, queue=queue, expected=type_))
            for queue, type_ in self._public()
        ]
        of_functions = []
        for function in self._catalog.functions:
            queue = aws_names.function_queue(self._prefix, function.name)
            prepare = partial(_function_letter, function=function.name, queue=queue, catalog=self._catalog)
            of_functions.append(self._intake(aws_names.dead_queue(queue), prepare))
        return of_types + of_functions

    def _public(self) -> Iterator[tuple[str, str]]:
        for event in self._catalog.events:
            if event.public is not None:
                yield aws_names.ingress_queue(self._prefix, event.type), event.type

    def _intake(self, name: str, prepare: partial[Prepared]) -> Intake:
        return Intake(SqsQueue(*self._clients, name), prepare, self._sender)


def _poison(message: SqsMessage, *, queue: str, expected: str) -> Prepared:
    letter = poison(message, queue, expected)
    return Prepared(letter, str(letter.headers[CAUSE_HEADER]))


def _function_letter(message: SqsMessage, *, function: str, queue: str, catalog: Catalog) -> Prepared:
    letter = function_letter(told(message), function, queue, catalog)
    return Prepared(letter, str(letter.headers[CAUSE_HEADER]))


def run(settings: Settings, stopping: threading.Event) -> None:
    """Bring in until stopping; raises SettingsError if the settings do not say where AWS is."""
    catalog = settings.load_catalog()
    sender = BulkSender(settings.broker_url)
    connections = HELPERS + len(catalog.events) + 1
    with (
        contextlib.closing(aws_client(settings, "sqs", long_poll=True, connections=connections)) as polling,
        contextlib.closing(aws_client(settings, "sqs", connections=connections)) as acting,
    ):
        intakes = Intakes(catalog, settings.vhost, (polling, acting), sender)
        sender.start()
        if Readers(intakes.live(), intakes.dead(), sender, stopping).run():
            sender.close()


if __name__ == "__main__":
    sys.exit(run_service("ingress", run))
