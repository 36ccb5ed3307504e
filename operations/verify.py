"""The broker against the catalog."""

from dataclasses import dataclass

from millrace.declarations import Catalog
from millrace.topology import topology

from workers.topology_check import broker_state, extras, settled


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What differs, what the broker has beyond the catalog, and whether its users could be looked at."""

    differences: list[str]
    extras: list[str]
    users_seen: bool

    @property
    def agrees(self) -> bool:
        """Whether the broker has just what the catalog says."""
        return not self.differences and not self.extras


def verify(management_url: str, vhost: str, catalog: Catalog) -> Verdict:
    """Read the broker and compare; a policy gets a few seconds to show. Raises BrokerUnreadable."""
    wanted = topology(catalog, vhost)
    found, state = settled(wanted, lambda: broker_state(management_url, vhost))
    return Verdict(differences=found, extras=extras(wanted, state), users_seen=state.users is not None)
