"""Addresses and networks as settings spell them."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.refusal import Refused

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
LAST_PORT = 65_535


@dataclass(frozen=True)
class Address:
    """A server's name, or IPv4 address, and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def address(setting: str, text: str) -> Address:
    """Read `host:port`; raises Refused."""
    host, _, port = text.strip().rpartition(":")
    if not HOST.fullmatch(host) or not port.isdecimal() or not 1 <= int(port) <= LAST_PORT:
        raise Refused(f"{setting} must be host:port, got {_shown(text)!r}")
    return Address(host, int(port))


def addresses(setting: str, text: str) -> tuple[Address, ...]:
    """Read `host:port`, or several with commas between; raises Refused."""
    return tuple(address(setting, one) for one in text.split(","))


@dataclass(frozen=True, kw_only=True)
class Reach:
    """A network, and a port there."""

    network: str
    port: int


def reach(setting: str, text: str) -> Reach:
    """Read `10.0.8.0/24:5432`; raises Refused."""
    where, _, port = text.strip().rpartition(":")
    if not port.isdecimal() or not 1 <= int(port) <= LAST_PORT:
        raise Refused(f"{setting} must be networks with a port like 10.0.8.0/24:5432, got {text!r}")
    return Reach(network=network(setting, where), port=int(port))


def networks(setting: str, text: str) -> tuple[str, ...]:
    """Read networks like `10.0.8.0/24`, with commas between; raises Refused."""
    return tuple(network(setting, one) for one in text.split(","))


def network(setting: str, text: str) -> str:
    """Read one network; raises Refused."""
    try:
        if "/" in text:
            return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        pass
    raise Refused(f"{setting} must be networks like 10.0.8.0/24, with commas between, got {text!r}")


def http_address(setting: str, text: str) -> tuple[str, Address]:
    """Scheme and address of `http[s]://host:port`; raises Refused, also where it holds a password or a path."""
    scheme, _, rest = text.partition("://")
    if scheme not in ("http", "https") or urlsplit(text).path not in ("", "/"):
        raise Refused(f"{setting} must be http[s]://host:port, without user or path, got {_shown(text)!r}")
    if "@" in rest:
        raise Refused(f"{setting} must have no user in it, got {_shown(text)!r}")
    return scheme, address(setting, rest.rstrip("/"))


def _shown(text: str) -> str:
    """The text without what may be a password."""
    return f"...@{text.rpartition('@')[2]}" if "@" in text else text
