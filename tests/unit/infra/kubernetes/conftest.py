"""The program's part on Kubernetes as Pulumi's mock interface sees it."""

from collections.abc import Callable

import pytest
from millrace.declarations import Catalog

from infra.__main__ import declare
from infra.offline_engine.recording import Recording, record
from infra.settings import Settings
from tests.unit.infra.kubernetes.stack import CATALOG, SETTINGS

Record = Callable[..., Recording]


@pytest.fixture(scope="session")
def recorded(config: dict[str, str]) -> Record:
    """Runs the program over a catalog; settings by keyword. Nothing is reached."""

    def run(catalog: Catalog = CATALOG, **settings: str) -> Recording:
        program = lambda: declare(catalog, Settings.load())  # noqa: E731
        return record(program, stack="test", config=config | SETTINGS | settings, known={})

    return run


@pytest.fixture(scope="session")
def there(recorded: Record) -> Recording:
    """A stack with a broker that is there already."""
    return recorded()


@pytest.fixture(scope="session")
def own(recorded: Record) -> Recording:
    """A stack with a broker of its own, and with AWS."""
    aws = {"aws": "true", "awsRegion": "eu-central-1", "awsAccount": "210987654321", "awsEndpoint": ""}
    aws |= {"awsLambda": "false", "awsCustomerKey": "false", "awsAlarmTopic": "", "functionPackage": ""}
    aws |= {"functionCatalog": "", "functionDatabaseUrl": ""}
    return recorded(brokerNodes="3", brokerCertificate="broker-tls", **aws)


@pytest.fixture(scope="session", params=["there", "own"])
def any_recording(request: pytest.FixtureRequest) -> Recording:
    """Each kind of stack."""
    found: Recording = request.getfixturevalue(request.param)
    return found
