"""Group notifications: the welcome mail, sent by SMTP with one Message-ID per account."""

from email.message import EmailMessage

from millrace.events import AccountCreated, WelcomeEmailSent

from workers.external import Reconciled
from workers.handling import handles
from workers.mail import send_mail
from workers.work import UnitOfWork

SENDER = "welcome@millrace.example"


@handles(AccountCreated)
def send_welcome_email(event: AccountCreated, work: UnitOfWork) -> None:
    """Send the welcome mail and tell the others."""
    message_id = f"<{work.key}@millrace.example>"

    def send(_provider_key: str) -> None:
        send_mail(welcome_mail(event, message_id))

    work.external("welcome-mail", send, reconcile=_send_again)
    work.publish(WelcomeEmailSent(account_id=event.account_id, message_id=message_id))


def _send_again(_provider_key: str) -> Reconciled:
    """SMTP cannot be asked what it did; mail with the same Message-ID is one mail to its reader (RFC 5322, 3.6.4)."""
    return Reconciled.NOT_DONE


def welcome_mail(event: AccountCreated, message_id: str) -> EmailMessage:
    """The mail itself."""
    mail = EmailMessage()
    mail["From"] = SENDER
    mail["To"] = event.email or f"{event.account_id}@users.millrace.example"
    mail["Subject"] = "Welcome"
    mail["Message-ID"] = message_id
    mail.set_content("Your account is there. Good to have you with us.")
    return mail
