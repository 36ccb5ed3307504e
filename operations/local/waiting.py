"""Waiting for the stack's parts, with the reason and the log's end when one does not come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import amqp
import httpx
from millrace import names

from operations.local import localstack
from operations.local.broker import Broker
from operations.local.daemon import running, supervisor_pid, wait_for
from operations.local.errors import LocalError, log_tail
from operations.local.layout import Layout
from operations.local.management import enable_feature_flags, is_ready
from operations.local.numbers import is_due, read_numbers
from operations.local.process_spec import ProcessSpec

BOOT_SECONDS = 90.0
FLEET_SECONDS = 90.0

#: A process that died this often since it was told to run will not come up by waiting.
HOPELESS = 3

Progress = Callable[[str], None]


class Watch:
    """Notices that a process of the fleet keeps dying."""

    def __init__(self, layout: Layout, applied: str = "") -> None:
        self.layout = layout
        self.applied = applied
        self._before = {status.name: status.restarts for status in running(layout).processes}

    def check(self) -> None:
        """Look once.

        Raises:
            LocalError: the supervisor is gone or a process keeps dying, with the end of its log.
        """
        if supervisor_pid(self.layout) is None:
            log = self.layout.log("supervisor")
            raise LocalError(f"the supervisor must stay up, got its end; its log ({log}) ends:\n{log_tail(log)}")
        for status in running(self.layout).processes:
            if status.name == localstack.NAME:  # all else runs without it
                continue
            before = self._before.get(status.name, 0)
            if status.restarts < before:  # another process by the same name, counted anew
                before = self._before[status.name] = 0
            if status.restarts - before >= HOPELESS:
                log = self.layout.log(status.name)
                why = f"got its end again and again; its log ({log}) ends:\n{log_tail(log)}"
                raise LocalError(f"{status.name} must stay up, {why}")


def wait_for_broker(broker: Broker, layout: Layout, say: Progress, meanwhile: Callable[[], None]) -> None:
    """Wait until the broker lets its administrator in, and enable its feature flags if it is our own.

    `meanwhile` is called now and then; what it raises ends the waiting.

    Raises:
        LocalError: it does not come, or (somebody else's) does not let us in.
    """
    watch, log = Watch(layout), layout.log("broker")
    login = (broker.management_url, broker.admin_user, broker.admin_password)

    def is_up() -> bool:
        watch.check()
        meanwhile()
        return is_ready(*login)

    if broker.processes:
        wait_for(is_up, BOOT_SECONDS, lambda: f"RabbitMQ must boot; its log ({log}) ends:\n{log_tail(log)}")
        enable_feature_flags(*login)
    else:
        wait_for(
            is_up,
            10.0,
            lambda: (
                f"the broker's management API must answer at {broker.management_url} and let {broker.admin_user} "
                "in, got no. Is MILLRACE_BROKER_URL's user an administrator? Else set MILLRACE_MANAGEMENT_URL."
            ),
        )
    say("broker: ready")


def wait_for_processes(watch: Watch, specs: Sequence[ProcessSpec]) -> None:
    """Wait until the supervisor took the fleet up, every process that is due runs, and none that is not of the fleet.

    Raises:
        LocalError: one does not.
    """
    known = {spec.name for spec in specs}

    def wrong() -> list[str]:
        states = {status.name: status.state for status in running(watch.layout).processes}
        numbers = read_numbers(watch.layout)
        due = [spec.name for spec in specs if is_due(spec, numbers)]
        missing = [f"{name} is {states.get(name, 'absent')}" for name in due if states.get(name) != "running"]
        return missing + [f"{name} is still there" for name in states if name not in known]

    def all_run() -> bool:
        watch.check()
        return running(watch.layout).applied == watch.applied and not wrong()

    wait_for(all_run, FLEET_SECONDS, lambda: f"every process must run, got: {'; '.join(wrong())}")


def wait_for_consumers(
    watch: Watch, broker: Broker, vhost: str, groups: Callable[[], Sequence[str]], say: Progress
) -> None:
    """Wait until each group's queue has a consumer, as many as the group is named; which groups, is asked at each look.

    Raises:
        LocalError: one has none in time, with the end of its worker's log.
    """
    missing: list[str] = []

    def all_consume() -> bool:
        watch.check()
        missing[:] = [group for group, count in Counter(groups()).items() if _consumers(channel, group) < count]
        return not missing

    def otherwise() -> str:
        log = watch.layout.log(f"worker-{missing[0]}")
        return f"every group must have a consumer, got too few for {', '.join(missing)}; {log} ends:\n{log_tail(log)}"

    login = {"userid": broker.admin_user, "password": broker.admin_password}
    with amqp.Connection(broker.amqp, virtual_host=vhost, **login) as connection:
        channel = connection.channel()
        wait_for(all_consume, FLEET_SECONDS, otherwise)
    say(f"consuming: {', '.join(dict.fromkeys(groups())) or 'no group is awake'}")


def _consumers(channel: amqp.Channel, group: str) -> int:
    return int(channel.queue_declare(names.group_queue(group), passive=True).consumer_count)


def wait_for_flower(watch: Watch, url: str, say: Progress) -> None:
    """Wait until Flower answers.

    Raises:
        LocalError: it does not in time, with the end of its log.
    """

    def answers() -> bool:
        watch.check()
        try:
            return httpx.get(f"{url}/healthcheck", timeout=2).status_code in (httpx.codes.OK, httpx.codes.UNAUTHORIZED)
        except httpx.HTTPError:
            return False

    log = watch.layout.log("flower")
    wait_for(answers, FLEET_SECONDS, lambda: f"Flower must answer at {url}; {log} ends:\n{log_tail(log)}")
    say(f"flower: {url}")
