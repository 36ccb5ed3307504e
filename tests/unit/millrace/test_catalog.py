"""The sample catalog is the one that the guide describes."""

from millrace.catalog import CATALOG
from millrace.events import AccountCreated, UserSignedUp, WelcomeEmailSent


def test_the_events() -> None:
    types = [event.type for event in CATALOG.events]
    assert types == ["user.signed_up", "account.created", "welcome_email.sent", "onboarding.completed"]
    assert CATALOG.event("USER_SIGNUP").payload is UserSignedUp


def test_the_groups_and_what_they_handle() -> None:
    handled = {group.name: tuple(group.handles) for group in CATALOG.groups}
    assert handled == {
        "signup": (UserSignedUp,),
        "notifications": (AccountCreated,),
        "workflow": (AccountCreated, WelcomeEmailSent),
        "analytics": (UserSignedUp,),
    }


def test_the_outside_may_use_camel_case() -> None:
    assert UserSignedUp.model_validate({"userId": "12345"}).user_id == "12345"


def test_an_event_without_a_group_is_meant_to_wait() -> None:
    waiting = [event.type for event in CATALOG.events if not CATALOG.groups_for(event.type)]
    assert waiting == [event.type for event in CATALOG.events if event.may_wait]
