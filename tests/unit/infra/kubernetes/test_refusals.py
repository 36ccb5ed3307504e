"""What the settings of a stack on Kubernetes may not say; a secret never travels unmarked."""

import base64
import json
import re

import pytest

from infra.__main__ import declare
from infra.offline_engine.recording import SECRET_MARK, Monitor, Recording, run
from infra.refusal import Refused
from infra.settings import Settings
from tests.unit.infra.kubernetes.conftest import Record
from tests.unit.infra.kubernetes.stack import CATALOG, DATABASE_URL, SETTINGS, SMALL, SMTP_URL
from tests.unit.infra.test_program import MADE_SECRET, Wire

OWN = {"brokerNodes": "3", "brokerCertificate": "broker-tls"}
DIGEST = "a" * 64


@pytest.fixture(scope="module")
def there(config: dict[str, str]) -> Wire:
    """What a stack with a broker that is there sends to Pulumi."""
    return _wire(config)


@pytest.fixture(scope="module")
def own(config: dict[str, str]) -> Wire:
    """What a stack with a broker of its own sends."""
    return _wire(config, **OWN)


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"kubeconfig": ""}, "kubeconfig must be set"),
        ({"kubeContext": ""}, "kubeContext must be set"),
        ({"kubernetesNamespace": "default"}, "kubernetesNamespace must be a namespace of the stack's own"),
        ({"kubernetesNamespace": "Mill_race"}, "kubernetesNamespace must be .*, got 'Mill_race'"),
        ({"workerImage": ""}, "workerImage must be an image by digest"),
        ({"workerImage": "registry.example.com/workers:latest"}, "workerImage must be .*, got 'registry.example.com/w"),
        ({"workerImage": "workers@sha256:abc"}, "workerImage must be an image by digest"),
        ({"workerImage": f"workers@sha256:{DIGEST}b"}, "workerImage must be an image by digest"),
        ({"workerConcurrency": "0"}, "workerConcurrency must be at least 1, got 0"),
        ({"podQuota": "22"}, r"podQuota must be at least 23: .*got 22"),
        ({"databaseUrl": ""}, r"databaseUrl must be postgresql\+psycopg://"),
        ({"databaseUrl": "sqlite:///millrace.db"}, r"databaseUrl must be postgresql\+psycopg://"),
        ({"databaseNetworks": ""}, "databaseNetworks must be networks with a port"),
        ({"databaseNetworks": "10.1.0.0/24"}, "databaseNetworks must be networks with a port"),
        ({"databaseNetworks": "10.1.0.1/24:5432"}, "databaseNetworks must be networks like"),
        ({"groupNetworks": "nobody=10.3.0.0/24:25"}, "groupNetworks must name groups of the catalog, got nobody"),
        ({"groupNetworks": "10.3.0.0/24:25"}, "groupNetworks must be GROUP=NETWORK:PORT"),
        ({"groupNetworks": "signup=10.3.0.0/24:0"}, "groupNetworks must be networks with a port"),
        ({"brokerNodes": "2"}, "brokerNodes must be 0 .* or an odd size: 3, 5 or 7, got 2"),
        ({"brokerNodes": "1"}, "brokerNodes must be"),
        ({"brokerAddress": ""}, "brokerAddress must be host:port"),
        ({"brokerAddress": "amqp://rabbit:5672"}, "brokerAddress must be host:port"),
        ({"brokerAddress": "rabbit:70000"}, "brokerAddress must be host:port"),
        ({"brokerManagement": "rabbit:15672"}, "brokerManagement must be http"),
        ({"brokerManagement": "https://rabbit:15671/path"}, "brokerManagement must be http"),
        ({"brokerNetworks": ""}, "brokerNetworks must be networks like"),
        ({"brokerNetworks": "10.2.0.1"}, "brokerNetworks must be networks like"),
        (OWN | {"brokerCertificate": ""}, "brokerCertificate must name a Secret"),
        (OWN | {"brokerMemory": "100"}, "brokerMemory and brokerDisk must be at least"),
        (OWN | {"brokerDisk": "1"}, "brokerMemory and brokerDisk must be at least"),
        ({"aws": "true", "awsRegion": "us-east-1", "awsAccount": "123456789012", "awsEndpoint": "http://127.0.0.1:1"}
         | dict.fromkeys(("functionPackage", "functionCatalog", "awsAlarmTopic", "functionDatabaseUrl"), "")
         | {"awsLambda": "false", "awsCustomerKey": "false"}, "awsEndpoint must be empty where kubernetes is true"),
    ],
)  # fmt: skip
def test_what_would_go_wrong_is_refused(recorded: Record, over: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        recorded(SMALL, **over)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("brokerManagement", "https://user:hunter2@rabbit:15671"),
        ("brokerManagement", "user:hunter2@rabbit:15671"),
        ("brokerAddress", "user:hunter2@rabbit:5671"),
        ("brokerAddress", "amqps://user:hunter2@rabbit:5671/v"),
    ],
)
def test_a_password_in_a_url_is_not_shown(recorded: Record, setting: str, text: str) -> None:
    with pytest.raises(Refused, match=f"{setting} must ") as caught:
        recorded(SMALL, **{setting: text})
    assert "hunter2" not in str(caught.value)


def test_the_quota_has_room_for_just_what_may_run(recorded: Record) -> None:
    with pytest.raises(Refused) as caught:
        recorded(podQuota="1")
    (least,) = re.findall(r"at least (\d+)", str(caught.value))
    # Groups of 4, 4, 4, 4, 8 and 4, two relays, and as many that still end; keeper, Flower, migration.
    assert int(least) == 2 * (5 * 4 + 8 + 2) + 3
    assert recorded(podQuota=least).resources
    with pytest.raises(Refused, match=f"at least {int(least) + 3}"):
        recorded(podQuota=least, **OWN)


def test_without_the_setting_nothing_of_it_is_made(config: dict[str, str], recording: Recording) -> None:
    assert not [one for one in recording.resources if one.type.startswith("kubernetes:")]
    wire = Wire()
    run(lambda: declare(SMALL, Settings.load()), Monitor(wire), stack="test", config=config)
    assert not [type_ for type_, _ in wire.inputs if "kubernetes" in type_]


def test_the_provider_is_explicit_and_of_the_one_context(there: Wire) -> None:
    (provider,) = [inputs for type_, inputs in there.inputs if type_ == "pulumi:providers:kubernetes"]
    assert provider["context"] == "production"
    assert SECRET_MARK in provider["kubeconfig"]


@pytest.mark.parametrize("broker", ["there", "own"])
def test_no_secret_travels_unmarked(request: pytest.FixtureRequest, broker: str) -> None:
    wire: Wire = request.getfixturevalue(broker)
    secrets = [MADE_SECRET, "top-secret", "kubeconfig-secret", DATABASE_URL, SMTP_URL]
    unmarked = json.dumps([_without_secrets(inputs) for _, inputs in wire.inputs])
    whole = json.dumps([inputs for _, inputs in wire.inputs])
    assert "top-secret" in whole
    assert not [one for one in secrets if one in unmarked or _encoded(one) in unmarked]


def test_every_value_of_a_secret_is_marked(own: Wire) -> None:
    found = [inputs for type_, inputs in own.inputs if type_ == "kubernetes:core/v1:Secret"]
    assert len(found) > 10
    assert all(
        SECRET_MARK in one["data"] or all(SECRET_MARK in value for value in one["data"].values()) for one in found
    )


def test_digests_of_secrets_hide_no_deployment(there: Wire) -> None:
    """A digest is no secret: else Pulumi would show nothing of what changes in a Deployment."""
    deployments = [inputs for type_, inputs in there.inputs if type_ == "kubernetes:apps/v1:Deployment"]
    assert deployments
    assert not [one for one in deployments if SECRET_MARK in json.dumps(one)]


def _wire(config: dict[str, str], **over: str) -> Wire:
    wire = Wire()
    run(lambda: declare(CATALOG, Settings.load()), Monitor(wire), stack="test", config=config | SETTINGS | over)
    return wire


def _encoded(text: str) -> str:
    """As it begins in base64, whatever follows."""
    return base64.b64encode(text.encode()).decode().rstrip("=")[:-1]


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return None if SECRET_MARK in value else {key: _without_secrets(one) for key, one in value.items()}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value
