"""The few calls to RabbitMQ's management API that starting a broker needs."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx

from operations.local.errors import LocalError
from operations.local.ports import LOOPBACK


def accepts_connections(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody listens on the port."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def is_ready(management_url: str, user: str, password: str) -> bool:
    """Whether the broker is up and lets this user in."""
    with httpx.Client(base_url=management_url, auth=(user, password), timeout=5) as client:
        return _is_ready(client)


def _is_ready(client: httpx.Client) -> bool:
    try:
        answer = client.get("/api/overview")
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def wait_until_ready(
    management_url: str, user: str, password: str, *, seconds: float, still_alive: Callable[[], bool]
) -> None:
    """Wait for the management API.

    Raises:
        LocalError: the broker ended, or the time is over.
    """
    deadline = time.monotonic() + seconds
    with httpx.Client(base_url=management_url, auth=(user, password), timeout=5) as client:
        while not _is_ready(client):
            if not still_alive():
                raise LocalError("RabbitMQ must stay up while it boots, got its end")
            if time.monotonic() > deadline:
                raise LocalError(f"RabbitMQ must answer within {seconds:.0f} s, got none at {management_url}")
            time.sleep(0.1)


def queue_totals(client: httpx.Client, vhost: str) -> dict[str, dict[str, Any]]:
    """Each queue of a vhost by its name, with how many messages it has (those that a consumer holds among them).

    Asked of the queues, not of the statistics; the page of a single queue has no such totals. Raises httpx.HTTPError.
    """
    fresh = {"disable_stats": "true", "enable_queue_totals": "true"}
    listed = client.get(f"/api/queues/{vhost}", params=fresh).raise_for_status().json()
    return {queue["name"]: queue for queue in listed}


def queues_of(management_url: str, user: str, password: str, vhost: str) -> set[str] | None:
    """The names of a vhost's queues, None if the broker has no such vhost.

    Raises:
        LocalError: the broker cannot say.
    """
    url = f"{management_url}/api/queues/{quote(vhost, safe='')}"
    try:
        answer = httpx.get(url, params={"columns": "name"}, auth=(user, password), timeout=10)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return {queue["name"] for queue in answer.raise_for_status().json()}
    except httpx.HTTPError as error:
        raise LocalError(f"the broker must tell what vhost {vhost!r} holds, got: {error}") from error


def enable_feature_flags(management_url: str, user: str, password: str) -> list[str]:
    """Enable every stable feature flag that is not on; gives the names of those it turned on."""
    enabled: list[str] = []
    with httpx.Client(base_url=management_url, auth=(user, password), timeout=30) as client:
        flags = client.get("/api/feature-flags").raise_for_status().json()
        for flag in flags:
            if flag["state"] == "disabled" and flag.get("stability") != "experimental":
                url = f"/api/feature-flags/{flag['name']}/enable"
                client.put(url, json={"name": flag["name"]}).raise_for_status()
                enabled.append(flag["name"])
    return enabled
