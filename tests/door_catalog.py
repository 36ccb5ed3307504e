"""The sample events with an AWS door: one public type with functions, one that is forwarded, one that is neither."""

from millrace import Catalog, Event, LambdaGroup, PlainFunction, Service, Topic, WorkerGroup, seconds
from millrace.events import AccountCreated, UserSignedUp, WelcomeEmailSent

CATALOG = Catalog(
    events=[
        Event(UserSignedUp, aliases=["USER_SIGNUP"], public=Topic("MyTopic")),
        Event(AccountCreated, forwarded=Topic()),
        Event(WelcomeEmailSent),
    ],
    groups=[WorkerGroup("signup", handles=[UserSignedUp], longest_runtime=seconds(1))],
    services=[Service("web")],
    functions=[
        LambdaGroup("audit", handles=[UserSignedUp]),
        PlainFunction("guide", handles=UserSignedUp, handler="consumer.lambda_handler"),
    ],
)
