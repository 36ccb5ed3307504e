"""Over TLS: the lane works as ever, and only with a broker whose certificate bears the name of its address."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from operations.local.ports import free_ports
from tests.integration.workers.lane.conftest import up
from tests.integration.workers.lane.parcels import in_lane, processed, see
from tests.integration.workers.stack import Stack, until
from tests.postgres_server import fresh_database
from tests.real_servers import own_broker
from workers.reconnecting import ReconnectingConnection

GOOD, OTHER = "127.0.0.1", "127.0.0.2"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a broker's certificate, with its key and whom it trusts beside it."""
    directory = tmp_path_factory.mktemp("certificates")
    made = trustme.CA()
    made.cert_pem.write_to_path(directory / "authority.pem")
    certificate = made.issue_cert(GOOD)
    certificate.private_key_and_cert_chain_pem.write_to_path(directory / "broker.pem")
    return directory


@pytest.fixture(scope="module")
def port() -> int:
    """Where the broker takes TLS connections."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def stack(authority: Path, port: int, postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack on a broker of its own, which has a certificate for one of its two addresses."""
    settings = (
        f"listeners.ssl.1 = {GOOD}:{port}",
        f"listeners.ssl.2 = {OTHER}:{port}",
        f"ssl_options.cacertfile = {authority / 'authority.pem'}",
        f"ssl_options.certfile = {authority / 'broker.pem'}",
        f"ssl_options.keyfile = {authority / 'broker.pem'}",
        "ssl_options.verify = verify_none",
    )
    with own_broker(tmp_path_factory.mktemp("tls"), settings) as (broker, _), fresh_database(postgres_url) as url:
        yield from up(broker, url, tmp_path_factory.mktemp("stack"))


def secured(stack: Stack, port: int, *hosts: str) -> str:
    """The group's URL, by TLS to these addresses."""
    plain, place = stack.url("group.belt"), f"{GOOD}:{stack.broker.amqp_port}"
    return ";".join(plain.replace("amqp:", "amqps:").replace(place, f"{host}:{port}") for host in hosts)


def start(stack: Stack, authority: Path, port: int, *hosts: str) -> None:
    """Start the worker, which is to use TLS to these addresses."""
    trusted = {"SSL_CERT_FILE": str(authority / "authority.pem")}
    stack.start_worker("belt", MILLRACE_BROKER_URL=secured(stack, port, *hosts), **trusted)


def test_all_is_processed_in_the_lane(stack: Stack, authority: Path, port: int) -> None:
    see(stack, *[f"many{number}" for number in range(2000)])
    start(stack, authority, port, GOOD)
    until(lambda: processed(stack, "many") == 2000, seconds=60, what="all of them")
    assert in_lane(stack, "many") == 2000
    until(lambda: stack.messages("belt") == 0, what="an empty queue")
    stack.end("belt")


def test_another_name_is_refused(stack: Stack, authority: Path, port: int) -> None:
    """Whoever holds any certificate that the machine trusts could else be the broker."""
    see(stack, "other")
    start(stack, authority, port, OTHER)
    until(lambda: "certificate verify failed" in stack.log("belt"), what="the refusal")
    assert processed(stack, "other") == 0
    stack.end("belt")


def test_celery_s_own_connection_looks_at_the_name(
    stack: Stack, authority: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has started comes to its broker by this one, again and again."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "authority.pem"))
    good, other = secured(stack, port, GOOD), secured(stack, port, OTHER)
    connecting: Any = ReconnectingConnection
    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for '127\.0\.0\.2'"):
        connecting(other).connect()
    for urls in (good, f"{other};{good}"):
        with connecting(urls) as connection:
            connection.ensure_connection(max_retries=2)
            assert connection.host == f"{GOOD}:{port}"


def test_each_address_has_its_own_name(stack: Stack, authority: Path, port: int) -> None:
    """The first is refused, and the second one taken."""
    see(stack, "second")
    start(stack, authority, port, OTHER, GOOD)
    until(lambda: processed(stack, "second") == 1, seconds=30, what="what the second address gave")
    stack.end("belt")
