"""From a broker URL to py-amqp's arguments."""

import ssl

import pytest
from amqp.transport import to_host_port
from millrace.publishing.connection import broker_options

PLAIN = {"host": "broker:5672", "userid": "guest", "password": "guest", "virtual_host": "/"}


@pytest.mark.parametrize(
    ("url", "differs"),
    [
        ("amqp://broker", {}),
        ("amqp://broker/", {}),
        ("amqp://broker/%2F", {}),
        ("amqp://broker:1234/dev", {"host": "broker:1234", "virtual_host": "dev"}),
        ("amqp://a:b@broker/a%2Fb", {"userid": "a", "password": "b", "virtual_host": "a/b"}),
        ("amqp://a%40x:p%3A%2F%40%25@broker", {"userid": "a@x", "password": "p:/@%"}),
        ("amqp://[::1]:1234", {"host": "[::1]:1234"}),
        ("amqp://[::1]", {"host": "[::1]:5672"}),
    ],
)
def test_the_parts_of_a_url(url: str, differs: dict[str, str]) -> None:
    assert broker_options(url) == {**PLAIN, **differs}


def test_an_ipv6_address_reaches_py_amqp_whole() -> None:
    assert to_host_port(broker_options("amqp://[::1]:1234")["host"]) == ("::1", 1234)


def test_tls_checks_the_brokers_certificate_and_its_name() -> None:
    options = broker_options("amqps://web:secret@broker.example.com/dev")
    assert options["host"] == "broker.example.com:5671"
    assert options["ssl"]["cert_reqs"] == ssl.CERT_REQUIRED
    assert options["ssl"]["server_hostname"] == "broker.example.com"


def test_without_tls_there_are_no_tls_options() -> None:
    assert "ssl" not in broker_options("amqp://broker")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker:5672",
        "http://web:hunter2@broker",
        "amqp://",
        "amqp:///dev",
        "amqp://web:hunter2/x@broker",
        "amqp://web:pw@broker:hunter2",
        "amqp://web:hunter2@broker:99999",
        "amqp://web:hunter2@[::1",
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^broker URL must be amqp\[s\]://user:password@host:port/vhost") as caught:
        broker_options(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None
