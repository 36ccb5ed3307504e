"""The catalog: every event, every group that handles some, every service that publishes."""

from millrace.declarations import (
    Catalog,
    Event,
    LambdaGroup,
    PlainFunction,
    Retry,
    Service,
    Topic,
    WorkerGroup,
    seconds,
)
from millrace.events import AccountCreated, OnboardingCompleted, OnboardingStepDue, UserSignedUp, WelcomeEmailSent

CATALOG = Catalog(
    events=[
        Event(UserSignedUp, aliases=["USER_SIGNUP"], public=Topic("MyTopic")),
        Event(AccountCreated),
        Event(WelcomeEmailSent),
        Event(OnboardingCompleted, may_wait=True, forwarded=Topic()),
    ],
    groups=[
        WorkerGroup(
            "signup",
            handles=[UserSignedUp],
            longest_runtime=seconds(1),
            usual_runtime=seconds(0.05),
            retry=Retry(attempts=5),
        ),
        WorkerGroup("notifications", handles=[AccountCreated], longest_runtime=seconds(10), usual_runtime=seconds(0.5)),
        WorkerGroup(
            "workflow",
            handles=[AccountCreated, WelcomeEmailSent],
            tasks=[OnboardingStepDue],
            longest_runtime=seconds(5),
            usual_runtime=seconds(0.1),
        ),
        WorkerGroup(
            "analytics",
            handles=[UserSignedUp],
            longest_runtime=seconds(1),
            usual_runtime=seconds(0.05),
            replicas=(0, 4),  # none runs while there is nothing to count
        ),
    ],
    services=[Service("web"), Service("backoffice", celery=True)],
    functions=[
        LambdaGroup("audit", handles=[UserSignedUp], longest_runtime=seconds(2)),
        PlainFunction("guide", handles=UserSignedUp, handler="workers.plain_functions.consumer.lambda_handler"),
    ],
)
