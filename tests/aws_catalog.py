"""A catalog with everything that can lie at AWS."""

from millrace.declarations import Catalog, Event, LambdaGroup, PlainFunction, Topic, WorkerGroup
from millrace.events import AccountCreated, UserSignedUp, WelcomeEmailSent

GROUP = LambdaGroup("ledger", handles=[UserSignedUp, AccountCreated])
PLAIN = PlainFunction("guide", handles=UserSignedUp, handler="guide.lambda_handler")
EVENTS = [
    Event(UserSignedUp, aliases=["USER_SIGNUP"], public=Topic("MyTopic")),
    Event(AccountCreated, forwarded=Topic()),
    Event(WelcomeEmailSent, public=Topic()),
]
GROUPS = [WorkerGroup("signup", handles=[UserSignedUp])]
CATALOG = Catalog(events=EVENTS, groups=GROUPS, functions=[GROUP, PLAIN])
#: The same without the functions, and without the door of one event type.
SMALLER = Catalog(events=[*EVENTS[:2], Event(WelcomeEmailSent)], groups=GROUPS)
#: The same with the inbox in PostgreSQL.
WITH_DATABASE = Catalog(
    events=EVENTS, groups=GROUPS, functions=[LambdaGroup("ledger", handles=[UserSignedUp], database=True)]
)
