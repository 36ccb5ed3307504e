"""The whole program's resources, as the offline engine records them: broker, AWS with functions, and Kubernetes."""

import zipfile
from pathlib import Path

import pytest

from infra.__main__ import declare
from infra.offline_engine import AwsTarget
from infra.offline_engine.recording import record
from infra.settings import Settings
from tests.aws_catalog import CATALOG
from tests.unit.infra.guardrails.breaking import Stack
from tests.unit.infra.test_settings import stack_file

#: What the example keeps secret.
SECRETS = {
    "kubeconfig": "nowhere",
    "databaseUrl": "postgresql+psycopg://millrace:opensesame@database/millrace",
    "smtpUrl": "smtp://millrace:opensesame@mail:587",
}


@pytest.fixture(scope="session")
def whole(config: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Everything there is, of a catalog that has everything; as in the examples, with a broker of its own."""
    folder: Path = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(folder / "functions.zip", "w") as archive:
        archive.writestr("guide.py", "def lambda_handler(event, context): ...\n")
    aws = {**stack_file("aws"), "awsCustomerKey": "true", "functionPackage": str(folder / "functions.zip")}
    broker = {"brokerNodes": "3", "brokerCertificate": "broker-tls"}
    cluster = {**stack_file("kubernetes"), **broker, "groupNetworks": ""}
    settings = {**AwsTarget(endpoint="").config(), **cluster, **aws, **SECRETS, "password": config["password"]}
    program = lambda: declare(CATALOG, Settings.load())  # noqa: E731
    return record(program, stack="test", config=settings, known={}).resources
