"""Sending mail by SMTP, telling apart what certainly was not sent."""

import os
import smtplib
from email.message import EmailMessage
from urllib.parse import urlsplit

from millrace.errors import NotDone, Permanent

from workers.settings import Settings

TIMEOUT_SECONDS = 5.0


def send_mail(mail: EmailMessage) -> None:
    """Send one mail by the server of MILLRACE_SMTP_URL (smtp://host:port).

    Raises NotDone when the server cannot be reached or says "later", Permanent when it refuses the mail for good;
    anything else leaves it unknown whether the mail went out.
    """
    url = urlsplit(os.environ.get("MILLRACE_SMTP_URL") or Settings.smtp_url)
    try:
        server = smtplib.SMTP(url.hostname or "localhost", url.port or 25, timeout=TIMEOUT_SECONDS)
    except (OSError, smtplib.SMTPConnectError) as error:
        raise NotDone(f"no connection to the mail server: {error}") from error
    with server:
        try:
            server.send_message(mail)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused) as error:
            raise Permanent(f"the mail server refused an address ({type(error).__name__})") from error
        except smtplib.SMTPDataError as error:
            later = 400 <= error.smtp_code < 500  # noqa: PLR2004 (RFC 5321: 4yz is a transient refusal)
            raise (NotDone if later else Permanent)(f"the mail server refused the mail: {error.smtp_code}") from error
