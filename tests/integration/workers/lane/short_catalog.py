"""The catalog of the other tests, with one group's handlers declared so short that it has a lane."""

from dataclasses import replace

from millrace.declarations import seconds

from tests.integration.workers import sample_catalog

LEDGER = replace(sample_catalog.CATALOG.group("ledger"), longest_runtime=seconds(0.5))
CATALOG = replace(sample_catalog.CATALOG, groups=[LEDGER])
