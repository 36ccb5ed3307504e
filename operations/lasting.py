"""Alerts that last: what may be so for a moment only is looked at again before a person is called."""

import time
from collections.abc import Callable, Iterable

from millrace.declarations import Catalog

from operations.alerts import PASSING, Alert, alerts
from operations.status import Situation

#: The broker tells some numbers up to five seconds late.
LAST_SECONDS = 6.0
LOOK_SECONDS = 1.0


def lasting_alerts(
    look: Callable[[], Situation], catalog: Catalog, wait: Callable[[float], None] = time.sleep
) -> list[Alert]:
    """The alerts now, without those that pass within seconds; takes that long only if there are such."""
    first = look()
    found = alerts(first, catalog)
    lasting = _passing(found)
    looks = round(LAST_SECONDS / LOOK_SECONDS)
    while lasting and looks:
        wait(LOOK_SECONDS)
        looks -= 1
        now = look()
        found = alerts(now, catalog)
        lasting &= _passing(found)
        if now.store.last_letter > first.store.last_letter:  # the keeper works: others come in as these go
            lasting = {key for key in lasting if key[0] != "keeper stuck"}
    return [alert for alert in found if alert.kind not in PASSING or (alert.kind, alert.concerns) in lasting]


def _passing(found: Iterable[Alert]) -> set[tuple[str, str]]:
    return {(alert.kind, alert.concerns) for alert in found if alert.kind in PASSING}
