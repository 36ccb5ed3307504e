"""Which services fail and start again, by their own metrics: from outside a process that goes on trying looks well."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

#: The services that tell it (`workers/service.py`).
SERVICES = ("relay", "keeper", "scaler")
METRIC = "millrace_service_trouble"


def in_trouble(metrics: Mapping[str, str]) -> list[str]:
    """The services in trouble, given the URL of each process's metrics; one that does not answer tells nothing."""
    return [name for name in SERVICES if name in metrics and _says_so(metrics[name])]


def _says_so(url: str) -> bool:
    try:
        text = httpx.get(url, timeout=2, trust_env=False).raise_for_status().text
    except httpx.HTTPError:
        return False
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return any(sample.name == METRIC and sample.value for sample in samples)
