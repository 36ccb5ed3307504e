"""Making the topology exist on the local stack's broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from millrace import names
from millrace.declarations import Catalog

from operations.local.broker import Broker
from operations.local.errors import LocalError
from operations.local.layout import Layout
from operations.local.pulumi_cli import PulumiCli

if TYPE_CHECKING:
    from infra.offline_engine import AwsTarget


def apply_topology(
    stack: str,
    broker: Broker,
    catalog: Catalog,
    layout: Layout,
    on_progress: Callable[[str], None],
    cli: PulumiCli | None = None,
    aws: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """Apply the Pulumi program with the CLI or else the offline engine; gives the vhost and every user's password.

    `aws` is where LocalStack is; without an endpoint in it, what lies at AWS is left as it is.

    Raises:
        LocalError: the engine refused or failed, with its reason.
    """
    if cli is None:
        return _apply_offline(stack, broker, catalog, layout, on_progress, aws or {})
    on_progress("applying the topology with the pulumi CLI")
    on_progress(f"topology: {cli.up(broker, names.vhost(stack), aws or {})} (pulumi CLI)")
    return cli.outputs()


def _apply_offline(
    stack: str,
    broker: Broker,
    catalog: Catalog,
    layout: Layout,
    on_progress: Callable[[str], None],
    aws: Mapping[str, str],
) -> Mapping[str, Any]:
    # Pulumi takes a second to import: only who applies pays for it.
    from infra import offline_engine  # noqa: PLC0415
    from infra.refusal import Refused  # noqa: PLC0415

    target = _target(aws)
    try:
        changes = offline_engine.up(
            stack,
            management_url=broker.management_url,
            admin_user=broker.admin_user,
            admin_password=broker.admin_password,
            state_dir=layout.state,
            catalog=catalog,
            aws=target,
        )
    except (offline_engine.EngineError, Refused) as error:
        raise LocalError(f"the topology must be applied, got: {error}") from error
    on_progress(f"topology: {changes} (offline engine)")
    return offline_engine.outputs(stack, layout.state)


def _target(aws: Mapping[str, str]) -> AwsTarget | None:
    """LocalStack as the engine is told of it; None while it is away."""
    from infra.offline_engine import AwsTarget  # noqa: PLC0415 (as above)

    if "endpoint" not in aws:
        return None
    return AwsTarget(endpoint=aws["endpoint"], region=aws["region"], account=aws["account"])
