"""The payloads of the sample catalog: one frozen class per event type."""

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from millrace.declarations import Payload

#: Printable text of a sensible length; control characters (NUL among them, which PostgreSQL refuses) are not.
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class UserSignedUp(Payload):
    """A person has signed up."""

    event_type: ClassVar[str] = "user.signed_up"
    user_id: Text
    email: Text | None = None


class AccountCreated(Payload):
    """The account of a person who signed up exists."""

    event_type: ClassVar[str] = "account.created"
    account_id: Text
    user_id: Text
    email: Text | None = None


class WelcomeEmailSent(Payload):
    """The welcome mail has been handed to the mail server."""

    event_type: ClassVar[str] = "welcome_email.sent"
    account_id: Text
    message_id: Text


class OnboardingCompleted(Payload):
    """Account and welcome mail are there and every onboarding step has run."""

    event_type: ClassVar[str] = "onboarding.completed"
    account_id: Text


class OnboardingStepDue(Payload):
    """The workflow group's own task: look where an onboarding stands and run its next step."""

    event_type: ClassVar[str] = "onboarding.step_due"
    account_id: Text
