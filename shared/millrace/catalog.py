"""The catalog: every event, every group that handles some, every service that publishes."""

from millrace.declarations import Catalog, Event, Retry, Service, WorkerGroup, seconds
from millrace.events import AccountCreated, OnboardingCompleted, OnboardingStepDue, UserSignedUp, WelcomeEmailSent

CATALOG = Catalog(
    events=[
        Event(UserSignedUp, aliases=["USER_SIGNUP"]),
        Event(AccountCreated),
        Event(WelcomeEmailSent),
        Event(OnboardingCompleted, may_wait=True),
    ],
    groups=[
        WorkerGroup("signup", handles=[UserSignedUp], longest_runtime=seconds(1), retry=Retry(attempts=5)),
        WorkerGroup("notifications", handles=[AccountCreated], longest_runtime=seconds(10)),
        WorkerGroup(
            "workflow",
            handles=[AccountCreated, WelcomeEmailSent],
            tasks=[OnboardingStepDue],
            longest_runtime=seconds(5),
        ),
        WorkerGroup("analytics", handles=[UserSignedUp], longest_runtime=seconds(1)),
    ],
    services=[Service("web"), Service("backoffice", celery=True)],
)
