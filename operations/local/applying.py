"""Making the topology exist on the local stack's broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from millrace.declarations import Catalog

from operations.local.broker import Broker
from operations.local.errors import LocalError
from operations.local.layout import Layout


def apply_topology(
    stack: str, broker: Broker, catalog: Catalog, layout: Layout, on_progress: Callable[[str], None]
) -> Mapping[str, Any]:
    """Apply the Pulumi program with the offline engine; gives the vhost and every broker user's password.

    Raises:
        LocalError: the engine refused or failed, with its reason.
    """
    # Pulumi takes a second to import: only who applies pays for it.
    from infra import offline_engine  # noqa: PLC0415

    try:
        changes = offline_engine.up(
            stack,
            management_url=broker.management_url,
            admin_user=broker.admin_user,
            admin_password=broker.admin_password,
            state_dir=layout.state,
            catalog=catalog,
        )
    except offline_engine.EngineError as error:
        raise LocalError(f"the topology must be applied, got: {error}") from error
    on_progress(f"topology: {changes}")
    return offline_engine.outputs(stack, layout.state)
