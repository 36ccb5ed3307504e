"""What Flower is told by its environment; it refuses to start without a login."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

#: Shorter ones can be guessed over a tunnel.
SHORTEST_PASSWORD = 8


class FlowerSettingsError(Exception):
    """A setting is missing or wrong; the message names it and says what it must be."""


@dataclass(frozen=True, kw_only=True)
class FlowerSettings:
    """Settings of the Flower process; `login` is `user:password`."""

    broker_url: str
    login: str
    address: str = "127.0.0.1"
    port: int = 5555


def from_environment(environment: Mapping[str, str] = os.environ) -> FlowerSettings:
    """Read MILLRACE_BROKER_URL, FLOWER_BASIC_AUTH, FLOWER_ADDRESS and FLOWER_PORT; raises FlowerSettingsError."""
    broker_url = environment.get("MILLRACE_BROKER_URL", "")
    if not broker_url:
        raise FlowerSettingsError("MILLRACE_BROKER_URL must be the AMQP URL of the flower broker user, got nothing")
    login = environment.get("FLOWER_BASIC_AUTH", "")
    user, _, password = login.partition(":")
    if not user or len(password) < SHORTEST_PASSWORD:
        expected = f"user:password, the password of at least {SHORTEST_PASSWORD} characters"
        raise FlowerSettingsError(f"FLOWER_BASIC_AUTH must be {expected}; without a login Flower does not start")
    if environment.get("FLOWER_UNAUTHENTICATED_API", ""):
        raise FlowerSettingsError("FLOWER_UNAUTHENTICATED_API must not be set: it opens Flower's API to everybody")
    return FlowerSettings(
        broker_url=broker_url,
        login=login,
        address=environment.get("FLOWER_ADDRESS") or "127.0.0.1",
        port=_port(environment.get("FLOWER_PORT") or "5555"),
    )


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) < 2**16:
        raise FlowerSettingsError(f"FLOWER_PORT must be a port number, got {text!r}")
    return int(text)
