"""One process of a function, through AWS's own runtime interface client."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from operations.local.lambda_instance import Deployed, Instance

HANDLER = """
def handler(event, context):
    return context.get_remaining_time_in_millis()
"""


def test_what_its_start_takes_is_not_given_to_the_call(tmp_path: Path) -> None:
    """A first call may run no longer than others: leases are longer than a call can live."""
    (tmp_path / "own.py").write_text(HANDLER)
    function = Deployed(
        name="own", handler="own.handler", root=tmp_path, environment={}, timeout=3.0, memory=128, arn="arn"
    )
    with closing(Instance(function)) as instance:
        first, second = instance.call({}), instance.call({})
    assert 0 < first <= 3_000
    assert 0 < second <= 3_000
