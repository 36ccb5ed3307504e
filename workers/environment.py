"""What settings of all kinds have in common: the error that says which one is wrong, and where the catalog is."""

import importlib

from millrace.declarations import Catalog


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and says what it must be."""


def catalog_at(place: str) -> Catalog:
    """Import the catalog at `module:attribute`; raises SettingsError if there is none."""
    module, _, attribute = place.partition(":")
    problem = f"MILLRACE_CATALOG must name a Catalog as module:attribute, got {place!r}"
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise SettingsError(f"{problem} ({error})") from error
    if not isinstance(found, Catalog):
        raise SettingsError(problem)
    return found
