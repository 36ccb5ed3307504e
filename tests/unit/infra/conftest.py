"""What makes many runs of the program quick."""

import gc
from collections.abc import Iterator

import pytest
from pulumi.runtime import resource
from pulumi.runtime.proto.source_pb2 import StackTrace

#: New objects between two collections: a run of the program makes some hundred thousand, which refer to each other.
BETWEEN = 100_000


@pytest.fixture(scope="session", autouse=True)
def no_stack_traces() -> Iterator[None]:
    """Where a resource was declared is for the pulumi CLI to show; for each one Pulumi reads the source files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resource, "_get_stack_trace", StackTrace)
        yield


@pytest.fixture(scope="session", autouse=True)
def rare_collections() -> Iterator[None]:
    """What is imported is no garbage: Pulumi's modules are so large that to look through them takes half of a run."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(BETWEEN, *before[1:])
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
