"""The run's own control plane with KEDA, and stacks on it; without `make cluster` these tests are skipped."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from millrace import names
from millrace.catalog import CATALOG
from millrace.declarations import Catalog

from infra.offline_engine import NotApplied
from tests.cluster.control_plane import ControlPlane, running_control_plane
from tests.cluster.keda import start_keda
from tests.cluster.programs import cached
from tests.integration.infra.conftest import FEW_LEVELS, SMALL
from tests.integration.kubernetes.stack import KubernetesStack
from tests.real_servers import Broker

#: Of a test with its fixtures, on a machine that does other things too.
TIMEOUT_SECONDS = 400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder run by `make test-kubernetes`, and only there; each makes and removes a whole stack."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kubernetes)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The control plane, started at first use: six seconds."""
    programs = cached()
    if not programs.is_built:
        pytest.skip("the control plane must be built, got none: run `make cluster` (it needs Go, and ten minutes)")
    with running_control_plane(programs, tmp_path_factory.mktemp("plane") / "of this run") as running:
        start_keda(running)
        yield running


@pytest.fixture
def whole_stack(plane: ControlPlane, broker: Broker, tmp_path: Path) -> Iterator[KubernetesStack]:
    """A stack of the sample catalog, not there yet; destroyed afterwards."""
    with _fresh(CATALOG, plane, broker, tmp_path) as one:
        yield one


@pytest.fixture
def stack(
    plane: ControlPlane, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KubernetesStack]:
    """A stack of two groups, with few levels of delay: a third of the resources."""
    monkeypatch.setattr(names, "DELAY_LEVELS", FEW_LEVELS)
    monkeypatch.setattr(names, "DELAY_ENTRY", names.delay_level(FEW_LEVELS - 1))
    with _fresh(SMALL, plane, broker, tmp_path) as one:
        yield one


@contextmanager
def _fresh(catalog: Catalog, plane: ControlPlane, broker: Broker, directory: Path) -> Iterator[KubernetesStack]:
    name = f"k{uuid.uuid4().hex[:8]}"
    one = KubernetesStack(name=name, plane=plane, broker=broker, state_dir=directory / "state", catalog=catalog)
    yield one
    with suppress(NotApplied):
        one.destroy(delete_messages=True)
