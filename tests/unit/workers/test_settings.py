"""Settings are read once and refused in words."""

import pytest
from millrace.catalog import CATALOG
from millrace.publishing import addresses

from workers.environment import SettingsError
from workers.settings import from_environment

NEEDED = {"MILLRACE_BROKER_URL": "amqp://v.group.a:p@h:1/my%2Fvhost", "MILLRACE_DATABASE_URL": "sqlite://"}


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_missing(name: str) -> None:
    """What must be there is named."""
    with pytest.raises(SettingsError, match=name):
        from_environment({key: value for key, value in NEEDED.items() if key != name})


@pytest.mark.parametrize("name", ["MILLRACE_METRICS_PORT", "MILLRACE_CONCURRENCY", "MILLRACE_RETENTION_DAYS"])
@pytest.mark.parametrize("value", ["many", "0", "-1", "1.5"])
def test_numbers(name: str, value: str) -> None:
    """A number is a positive whole number."""
    with pytest.raises(SettingsError, match=f"{name} must be a positive whole number, got '{value}'"):
        from_environment({**NEEDED, name: value})


@pytest.mark.parametrize("value", ["localhost", "0.0.0.0:9", "*"])
def test_an_address_is_an_ip_address(value: str) -> None:
    with pytest.raises(SettingsError, match="MILLRACE_METRICS_ADDRESS must be an IP address, got "):
        from_environment({**NEEDED, "MILLRACE_METRICS_ADDRESS": value})


def test_metrics_are_on_loopback_unless_told_otherwise() -> None:
    assert from_environment(NEEDED).metrics_address == "127.0.0.1"
    assert from_environment({**NEEDED, "MILLRACE_METRICS_ADDRESS": "::"}).metrics_address == "::"


def test_every_setting_is_read() -> None:
    """Each variable ends in its field."""
    more = {
        "MILLRACE_MONITORING_URL": "http://m",
        "MILLRACE_METRICS_PORT": "9",
        "MILLRACE_SMTP_URL": "smtp://mail:26",
        "MILLRACE_CONCURRENCY": "3",
        "MILLRACE_RETENTION_DAYS": "7",
        "MILLRACE_HANDLERS": "my.handlers",
    }
    read = from_environment({**NEEDED, **more})
    assert (read.monitoring_url, read.metrics_port, read.smtp_url) == ("http://m", 9, "smtp://mail:26")
    assert (read.concurrency, read.retention_days, read.handlers) == (3, 7, "my.handlers")
    assert read.vhost == "my/vhost"


@pytest.mark.parametrize(
    "url", ["http://h", "amqp://a:hunter2@h/v;amqp://b:hunter2@i/v", "amqp://a:hunter2@h/v;amqp://a:hunter2@i/w"]
)
def test_a_broker_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="MILLRACE_BROKER_URL: broker URL") as caught:
        from_environment({**NEEDED, "MILLRACE_BROKER_URL": url})
    assert "hunter2" not in str(caught.value)


def test_it_begins_with_any_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that its node gives nothing ends, and is not to begin there each time."""
    monkeypatch.setattr(addresses, "_BEGIN", 0.5)
    read = from_environment({**NEEDED, "MILLRACE_BROKER_URL": "amqp://a:b@one/v;amqp://a:b@two/v"})
    assert read.broker_url == "amqp://a:b@two/v;amqp://a:b@one/v"


def test_a_repr_holds_no_password() -> None:
    """Celery's remote control shows the app's settings to Flower, among them the runtime with these."""
    more = {
        "MILLRACE_BROKER_URL": "amqp://u:hunter2@h/v;amqp://u:hunter2@i/v",
        "MILLRACE_DATABASE_URL": "postgresql://u:hunter2@h/d",
        "MILLRACE_MONITORING_URL": "http://u:hunter2@h",
        "MILLRACE_SMTP_URL": "smtp://u:hunter2@h",
        "MILLRACE_INBOX_URL": "redis://u:hunter2@h",
    }
    read = from_environment(more)
    assert read.vhost == "v"
    assert "hunter2" not in repr(read)


def test_catalog() -> None:
    """The catalog is imported from where it is said to be."""
    assert from_environment(NEEDED).load_catalog() is CATALOG
    for wrong in ("millrace.catalog:NOTHING", "millrace.catalog:Catalog", "no.such.module:CATALOG", "CATALOG"):
        with pytest.raises(SettingsError, match="MILLRACE_CATALOG must name a Catalog"):
            from_environment({**NEEDED, "MILLRACE_CATALOG": wrong}).load_catalog()
