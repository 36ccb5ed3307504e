"""How many messages wait where, from the management API."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import httpx

from workers.broker_state import BrokerUnreadable


@dataclass(frozen=True, kw_only=True)
class QueueNumbers:
    """One queue at one moment; `growth` and `arrivals` are messages a second, as far as the broker keeps them."""

    ready: int = 0
    unacknowledged: int = 0
    consumers: int = 0
    growth: float = 0.0
    arrivals: float = 0.0

    @property
    def messages(self) -> int:
        """All that the queue holds."""
        return self.ready + self.unacknowledged


def queue_numbers(monitoring_url: str, vhost: str, *, patience: float = 10.0) -> dict[str, QueueNumbers]:
    """Every queue of a vhost; raises BrokerUnreadable, after `patience` seconds if the broker says nothing."""
    parts = urlsplit(monitoring_url)
    where = f"{parts.hostname}:{parts.port}"
    url = f"{parts.scheme}://{where}/api/queues/{quote(vhost, safe='')}"
    login = (unquote(parts.username or ""), unquote(parts.password or ""))
    try:
        answer = httpx.get(url, auth=login, timeout=patience, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise BrokerUnreadable(
            f"cannot read the queues of {vhost} at {where}: {error}; is the broker running?"
        ) from error
    return {raw["name"]: _numbers(raw) for raw in answer.json()}


def _numbers(raw: Mapping[str, object]) -> QueueNumbers:
    arrived = raw.get("message_stats")
    return QueueNumbers(
        ready=_count(raw.get("messages_ready")),
        unacknowledged=_count(raw.get("messages_unacknowledged")),
        consumers=_count(raw.get("consumers")),
        growth=_rate(raw.get("messages_details")),
        arrivals=_rate(arrived.get("publish_details")) if isinstance(arrived, dict) else 0.0,
    )


def _rate(details: object) -> float:
    return float(details.get("rate", 0.0)) if isinstance(details, dict) else 0.0


def _count(value: object) -> int:
    """A queue that has just been made has no numbers yet."""
    return value if isinstance(value, int) else 0
