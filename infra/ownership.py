"""A stack belongs to the engine that made it: the pulumi CLI refuses what the offline engine made."""

from dataclasses import replace
from urllib.parse import quote

import httpx
import pulumi
from millrace.errors import MillraceError

from infra.settings import Settings

#: The description of a vhost that the offline engine made.
MADE_OFFLINE = "made by Millrace's offline engine"
TIMEOUT_SECONDS = 10.0


# The pulumi CLI shows a RunError's message, and any other exception's whole traceback.
class MadeOffline(MillraceError, pulumi.RunError):
    """The stack's vhost was made by the offline engine, which keeps its passwords."""


def refusing_offline(settings: Settings) -> Settings:
    """The same settings, but the password, without which nothing is made, raises MadeOffline if that is so."""
    return replace(settings, password=settings.password.apply(lambda password: _checked(settings, password)))


def _checked(settings: Settings, password: str) -> str:
    url = f"{settings.endpoint.rstrip('/')}/api/vhosts/{quote(settings.vhost, safe='')}"
    try:
        answer = httpx.get(url, auth=(settings.username, password), timeout=TIMEOUT_SECONDS)
    except httpx.TransportError:
        return password  # the provider says it better
    if answer.is_success and answer.json().get("description") == MADE_OFFLINE:
        raise MadeOffline(
            f"vhost {settings.vhost!r} was {MADE_OFFLINE}, must be managed by it; "
            "go on without the pulumi CLI, or destroy the stack there, or choose another stack"
        )
    return password
