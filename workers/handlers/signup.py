"""Group signup: a sign-up becomes an account."""

from millrace.events import AccountCreated, UserSignedUp
from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from workers.handlers._tables import accounts
from workers.handling import handles
from workers.work import UnitOfWork


@handles(UserSignedUp)
def create_account(event: UserSignedUp, work: UnitOfWork) -> None:
    """Write the account and tell the others."""
    account_id = work.key
    work.execute(
        insert(accounts).values(
            account_id=account_id,
            user_id=event.user_id,
            email=event.email,
            source=work.event.source,
            event_id=work.event.id,
            created_at=store_now(),
        )
    )
    work.publish(AccountCreated(account_id=account_id, user_id=event.user_id, email=event.email))
