"""Which engine applies the local stack's topology: the pulumi CLI or the offline engine."""

from __future__ import annotations

from collections.abc import Mapping

from millrace.catalog import CATALOG
from millrace.declarations import Catalog

from operations.local.errors import LocalError
from operations.local.layout import Layout
from operations.local.pulumi_cli import PulumiCli

VARIABLE = "MILLRACE_ENGINE"
AUTO, PULUMI, OFFLINE = "auto", "pulumi", "offline"
NAMES = {PULUMI: "the pulumi CLI", OFFLINE: "the offline engine"}


def choose_engine(stack: str, catalog: Catalog, layout: Layout, environment: Mapping[str, str]) -> PulumiCli | None:
    """The CLI, or None for the offline engine; the one that made the stack goes on with it.

    Raises:
        LocalError: MILLRACE_ENGINE makes no sense, or the engine of this stack cannot do it.
    """
    wanted = environment.get(VARIABLE) or AUTO
    if wanted not in (AUTO, *NAMES):
        raise LocalError(f"{VARIABLE} must be {AUTO}, {PULUMI} or {OFFLINE}, got {wanted!r}")
    cli = PulumiCli(stack=stack, directory=layout.pulumi, environment=environment)
    made_by = _made_by(cli, layout)
    if made_by and wanted not in (AUTO, made_by):
        raise LocalError(
            f"stack {stack!r} was made by {NAMES[made_by]} and must be managed by it, got {VARIABLE}={wanted}.\n"
            f"Unset {VARIABLE}, or begin anew: `make clean`."
        )
    if wanted == AUTO:
        wanted = made_by or (PULUMI if cli.command.program() and catalog == CATALOG else OFFLINE)
    if wanted == OFFLINE:
        return None
    _require_able(cli, catalog)
    return cli


def _made_by(cli: PulumiCli, layout: Layout) -> str | None:
    # The name as `infra.offline_engine` has it: importing that takes a second or two.
    if (layout.state / f"{cli.stack}.json").exists():
        return OFFLINE
    return PULUMI if cli.made_it() else None


def _require_able(cli: PulumiCli, catalog: Catalog) -> None:
    if cli.command.program() is None:
        raise LocalError(
            f"the pulumi CLI must be on PATH, got none: {VARIABLE}={PULUMI} or a stack that it made.\n"
            f"Install it, or begin anew without it: `make clean`, {VARIABLE}={OFFLINE}."
        )
    if catalog != CATALOG:
        raise LocalError(
            "the catalog must be millrace.catalog:CATALOG, which is what the pulumi CLI applies, got another one.\n"
            f"Unset MILLRACE_CATALOG, or begin anew without the CLI: `make clean`, {VARIABLE}={OFFLINE}."
        )
