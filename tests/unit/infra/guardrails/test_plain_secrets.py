"""No plain secret, and none in what is said about it."""

import pytest

from tests.unit.infra.guardrails import cluster
from tests.unit.infra.guardrails.breaking import Edit, Stack, broken, edited, messages, set_at
from tests.unit.infra.guardrails.cluster import BROKER, CONFIG_MAP, DEPLOYMENT, SCALED_OBJECT, SECRET, WORKER

RULE = "no-plain-secret"
WORD = "opensesame"
CONTAINER = ("spec", "template", "spec", "containers", 0)
ENV = (*CONTAINER, "env", 1)


def env(name: str, value: str) -> Edit:
    return set_at(*ENV, to={"name": name, "value": value})


@pytest.mark.parametrize(
    "edit",
    [
        env("MILLRACE_BROKER_URL", f"amqp://signup:{WORD}@broker/millrace"),
        env("FLOWER_BASIC_AUTH", WORD),
        env("SMTP_PASSWORD", WORD),
        env("API_KEY", WORD),
        env("DB_PASS", WORD),
        env("DB_PWD", WORD),
        env("DSN", f"host=database user=me {WORD}"),
        env("WHERE", f"host=database password={WORD}"),
        env("WHERE", f"host=database pass={WORD}"),
        env("SETTINGS", f'{{"password": "{WORD}"}}'),
        env("WHO", "AKIA" + "IOSFODNN7EXAMPLE"),
        env("CERTIFICATE", f"-----BEGIN RSA PRIVATE KEY-----\n{WORD}"),
        env("HEADER", f"Bearer {WORD}{WORD}"),
        set_at(*CONTAINER, "args", to=["--broker", f"amqp://signup:{WORD}@broker/"]),
        set_at(*CONTAINER, "args", to=["--password", WORD]),
        set_at(*CONTAINER, "args", to=["--verbose", f"--api-key={WORD}"]),
        set_at(*CONTAINER, "args", to=["env", f"API_TOKEN={WORD}", "serve"]),
        set_at("metadata", "annotations", to={"millrace/database": f"postgresql+psycopg://me:{WORD}@database/m"}),
        set_at("spec", "template", "metadata", "labels", to={"token": WORD}),
    ],
    ids=[
        *("url", "auth", "password", "key", "pass", "pwd", "dsn", "words", "pass in words", "JSON", "aws"),
        *("private key", "bearer", "args", "option", "option in one", "variable", "annotation", "label"),
    ],
)
def test_a_credential_in_the_open_is_refused_and_not_repeated(whole: Stack, edit: Edit) -> None:
    stack = edited(whole, DEPLOYMENT, WORKER, edit)
    assert broken(stack) == {(RULE, WORKER)}
    assert "put it into a Kubernetes Secret" in messages(stack)[0]
    assert WORD not in str(messages(stack))


def test_a_config_map_and_a_scaler_hold_none(whole: Stack) -> None:
    stack = (*whole, cluster.thing(CONFIG_MAP, "settings", data={"password": WORD}))
    assert broken(stack) == {(RULE, "settings")}
    trigger = {"type": "rabbitmq", "metadata": {"host": f"https://monitor:{WORD}@broker:15671/"}}
    stack = edited(whole, SCALED_OBJECT, WORKER, set_at("spec", "triggers", to=[trigger]))
    assert broken(stack) == {(RULE, WORKER)}
    assert messages(stack)[0].startswith("spec.triggers[0].metadata.host is a URL with a password")


def test_a_brokers_configuration_holds_none(whole: Stack) -> None:
    for config in (f"default_pass = {WORD}", f"vm_memory_high_watermark.relative = 0.6\ndefault_pass={WORD}\n"):
        stack = edited(whole, BROKER, "broker", set_at("spec", "rabbitmq", "additionalConfig", to=config))
        assert broken(stack) == {(RULE, "broker")}
        assert WORD not in str(messages(stack))


@pytest.mark.parametrize("part", ["data", "stringData"])
def test_a_secret_is_where_they_belong(whole: Stack, part: str) -> None:
    held = {"password": WORD, "url": f"amqp://signup:{WORD}@broker/"}
    assert broken((*whole, cluster.thing(SECRET, "more", **{part: held}))) == set()
    assert broken((*whole, cluster.thing(CONFIG_MAP, "more", **{part: held}))) == {(RULE, "more")}


def test_a_secret_holds_them_in_its_data_only(whole: Stack) -> None:
    stack = edited(whole, SECRET, WORKER, set_at("metadata", "annotations", to={"password": WORD}))
    assert broken(stack) == {(RULE, WORKER)}


@pytest.mark.parametrize(
    "edit",
    [
        env("DATABASE_URL", "postgresql://me:$(DATABASE_WORD)@database/millrace"),
        env("BROKER", "amqp://broker:5672/millrace"),
        env("SECRET_NAME", "signup"),
        env("ENABLE_AUTH", "true"),
        env("SMTP_AUTH", "False"),
        env("SMTP_PASSWORD", ""),
        env("SMTP_PASS", "$(SMTP_WORD)"),
        env("PWD", "/app"),
        env("OLDPWD", "/app"),
        env("BYPASS", "kernel"),
        set_at(*CONTAINER, "args", to=["--no-auth", "serve", "--auth", "--verbose", "--password", "$(WORD)"]),
        env("PROXY_AUTH", "none"),
        set_at("metadata", "annotations", to={"millrace/secret-digest": "0" * 64}),
        set_at("spec", "template", "spec", "volumes", 0, to={"name": "certificate", "secret": {"secretName": "tls"}}),
    ],
    ids=[
        "filled in",
        "no password",
        "name of one",
        "switch",
        "switch off",
        "empty",
        "variable",
        "shell",
        "shell's last",
        "bypass",
        "args",
        "none",
        "digest",
        "volume",
    ],
)
def test_what_only_tells_of_one_is_left_alone(whole: Stack, edit: Edit) -> None:
    assert broken(edited(whole, DEPLOYMENT, WORKER, edit)) == set()
