"""The sample's handlers, each event run as a worker runs it, cut at every commit; no broker is needed for that."""

import json
from dataclasses import dataclass, field

import pytest
from millrace import seal
from millrace.catalog import CATALOG
from millrace.events import AccountCreated, OnboardingCompleted, UserSignedUp, WelcomeEmailSent
from sqlalchemy import Table, func, select, update

from workers import inbox
from workers.database import begin, reading
from workers.execution import Execution
from workers.handlers import _tables as sample
from workers.migrate import migrate
from workers.received import Delivery, receive
from workers.runtime import Runtime
from workers.settings import Settings
from workers.tables import inbox as inbox_table
from workers.tables import outbox

ACCOUNT = AccountCreated(account_id="a-1", user_id="u-1", email="u@example.com")
MAIL = WelcomeEmailSent(account_id="a-1", message_id="<m@example.com>")


class Killed(BaseException):
    """Stands for SIGKILL: no handler of exceptions may take it for a failure."""


@dataclass
class Line:
    """What a message meets in a group: received, executed; `cuts` are the commits that a kill prevents."""

    url: str
    cuts: set[int] = field(default_factory=set)
    commits: int = 0
    done: int = 0

    def runtime(self, group: str) -> Runtime:
        """A group's runtime; the broker is never asked for anything."""
        settings = Settings(broker_url="amqp://nobody@127.0.0.1:1/none", database_url=self.url)
        return Runtime(settings, CATALOG, CATALOG.group(group))

    def run(self, group: str, body: bytes) -> str:
        """Deliver a message to a group until it is not killed; gives its outcome."""
        runtime = self.runtime(group)
        came = receive(Delivery(body=body, content_type=None, headers={}, properties={}), CATALOG, frozenset())
        while True:
            try:
                return Execution(runtime, came).run().outcome
            except Killed:
                with begin(runtime.engine) as connection:  # the lease of a dead process ends some day
                    connection.execute(update(inbox_table).values(due_at=0.0))
            finally:
                runtime.engine.dispose()

    def relay(self, group: str) -> None:
        """Bring the group's own tasks from the outbox until there are no more."""
        while row := self._next(group):
            self.run(group, row[0])

    def _next(self, group: str) -> tuple[bytes] | None:
        mine = select(outbox.c.id, outbox.c.body).where(outbox.c.id > self.done, outbox.c.exchange == "groups")
        engine = self.runtime(group).engine
        with reading(engine) as connection:
            row = connection.execute(mine.order_by(outbox.c.id)).first()
        engine.dispose()
        if row is None:
            return None
        self.done = row.id
        return (row.body,)

    def count(self, table: Table) -> int:
        """How many rows a table has."""
        engine = self.runtime("signup").engine
        with reading(engine) as connection:
            found = connection.execute(select(func.count()).select_from(table)).scalar_one()
        engine.dispose()
        return found

    def published(self, type_: str) -> list[dict[str, object]]:
        """The payloads of the events of a type in the outbox."""
        engine = self.runtime("signup").engine
        with reading(engine) as connection:
            rows = connection.execute(select(outbox.c.body).where(outbox.c.type == type_)).scalars().all()
        engine.dispose()
        return [json.loads(row)["data"] for row in rows]


@pytest.fixture
def line(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Line:
    """A store with all tables, and kills at chosen commits."""
    migrate(database_url)
    made = Line(database_url)
    complete = inbox.complete

    def cut(*args: object, **more: object) -> None:
        complete(*args, **more)  # type: ignore[arg-type]
        made.commits += 1
        if made.commits in made.cuts:
            raise Killed

    monkeypatch.setattr(inbox, "complete", cut)
    return made


def body(payload: AccountCreated | WelcomeEmailSent | UserSignedUp) -> bytes:
    """An event's bytes."""
    return seal(payload, source="/test").to_bytes()


@pytest.mark.parametrize("cut", range(9))
@pytest.mark.parametrize("first", ["account", "mail"])
def test_onboarding_completes_once_wherever_it_is_killed(line: Line, first: str, cut: int) -> None:
    """Whatever comes first, and whichever commit a kill prevents: three steps, one completion."""
    line.cuts = {cut}
    events = [body(ACCOUNT), body(MAIL)]
    for event in events if first == "account" else reversed(events):
        line.run("workflow", event)
    line.relay("workflow")
    assert line.count(sample.onboarding_steps) == 3
    assert line.published("onboarding.completed") == [OnboardingCompleted(account_id="a-1").model_dump()]


def test_onboarding_waits_for_both(line: Line) -> None:
    """An account without its mail goes nowhere yet."""
    line.run("workflow", body(ACCOUNT))
    line.relay("workflow")
    assert line.count(sample.onboarding_steps) == 0


def test_sign_up_makes_one_account_and_says_so(line: Line) -> None:
    """A kill before the commit leaves nothing; the next attempt writes it once."""
    line.cuts = {1}
    event = body(UserSignedUp(user_id="u-1"))
    assert line.run("signup", event) == "processed"
    assert line.run("signup", event) == "absorbed"
    assert line.count(sample.accounts) == 1
    assert [row["user_id"] for row in line.published("account.created")] == ["u-1"]


def test_sign_ups_are_counted_by_their_minute(line: Line) -> None:
    """Two in one minute are two in one row; a repeat is not counted."""
    moment = "2026-01-02T03:04:05Z"
    for id_ in ("1", "2", "2"):
        envelope = seal(UserSignedUp(user_id="u"), source="/t", id=id_).model_copy(update={"time": None})
        raw = json.dumps({**json.loads(envelope.to_bytes()), "time": moment}).encode()
        line.run("analytics", raw)
    engine = line.runtime("analytics").engine
    with reading(engine) as connection:
        rows = connection.execute(select(sample.sign_ups_per_minute)).fetchall()
    engine.dispose()
    assert [tuple(row) for row in rows] == [("2026-01-02T03:04", 2)]
