"""Group workflow: onboarding starts when account and welcome mail are both there, in whichever order they came.

Each step is a task of its own. A step is done, its row written and the next one sent for in one transaction that
holds only if the onboarding still stands where the step found it; so it goes on exactly once from wherever it was cut.
"""

from millrace.errors import Discard
from millrace.events import AccountCreated, OnboardingCompleted, OnboardingStepDue, WelcomeEmailSent
from millrace.publishing.store_clock import store_now
from sqlalchemy import TextClause, and_, insert, select, text, update

from workers.handlers._tables import onboarding_steps, onboardings
from workers.handling import handles
from workers.work import UnitOfWork

STEPS = ("prepare workspace", "invite to tour", "schedule check-in")


def _arrived(what: str) -> TextClause:
    """Note that one of the two events has arrived; both stores take this form of an upsert."""
    other = {"account_created": "welcome_email_sent", "welcome_email_sent": "account_created"}[what]
    return text(
        f"insert into onboardings (account_id, {what}, {other}, steps_done) values (:account_id, 1, 0, 0)"  # noqa: S608
        f" on conflict (account_id) do update set {what} = 1"
    )


@handles(AccountCreated)
def account_arrived(event: AccountCreated, work: UnitOfWork) -> None:
    """Note the account and look whether the onboarding can go on."""
    work.execute(_arrived("account_created").bindparams(account_id=event.account_id))
    work.publish(OnboardingStepDue(account_id=event.account_id))


@handles(WelcomeEmailSent)
def welcome_email_arrived(event: WelcomeEmailSent, work: UnitOfWork) -> None:
    """Note the mail and look whether the onboarding can go on."""
    work.execute(_arrived("welcome_email_sent").bindparams(account_id=event.account_id))
    work.publish(OnboardingStepDue(account_id=event.account_id))


@handles(OnboardingStepDue)
def run_next_step(event: OnboardingStepDue, work: UnitOfWork) -> None:
    """Run the step that is next, and send for the one after it; after the last, say that onboarding is completed."""
    table = onboardings.c
    row = work.fetch(select(onboardings).where(table.account_id == event.account_id))[0]
    if not (row.account_created and row.welcome_email_sent):
        raise Discard("account and welcome mail are not both there yet")
    if row.completed_at is not None:
        raise Discard("the onboarding is completed")
    done = row.steps_done + 1
    last = done == len(STEPS)
    still_there = and_(table.account_id == event.account_id, table.steps_done == row.steps_done)
    progress = {"steps_done": done, "completed_at": store_now() if last else None}
    work.execute(update(onboardings).where(still_there).values(progress), rows=1)
    step = {"account_id": event.account_id, "step": STEPS[done - 1], "done_at": store_now()}
    work.execute(insert(onboarding_steps).values(step))
    work.publish(
        OnboardingCompleted(account_id=event.account_id) if last else OnboardingStepDue(account_id=event.account_id)
    )
