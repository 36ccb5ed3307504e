"""Catalogs in which groups keep no record."""

from dataclasses import replace

from millrace.declarations import LANE_RUNTIME, Catalog


def without_record(catalog: Catalog, *groups: str) -> Catalog:
    """The same catalog, in which these groups are idempotent."""
    made = [
        replace(group, idempotent=True, longest_runtime=LANE_RUNTIME) if group.name in groups else group
        for group in catalog.groups
    ]
    return replace(catalog, groups=made)
