"""Installing RabbitMQ must not start a system broker, nor change what the machine's owner decided."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from operations.local.errors import LocalError
from operations.local.rabbitmq_install import find_server, install_packages, services_stay_stopped


def test_services_are_denied_during_the_installation_only(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with services_stay_stopped(policy):
        assert subprocess.run([str(policy), "rabbitmq-server", "start"], check=False).returncode == 101
    assert not policy.exists()


def test_a_policy_that_was_there_is_put_back_even_after_a_failure(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n")
    policy.chmod(0o700)
    with pytest.raises(ZeroDivisionError), services_stay_stopped(policy):
        raise ZeroDivisionError
    with services_stay_stopped(policy):
        assert "exit 101" in policy.read_text()
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"
    assert policy.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == [policy]


def fake_apt(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    calls = folder / "calls"
    apt = folder / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$1" >> "{calls}"\n{script}\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return calls


def test_lists_are_updated_only_if_the_first_try_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake_apt(tmp_path, monkeypatch, "exit 0")
    install_packages(["rabbitmq-server"])
    assert calls.read_text().split() == ["install"]
    fake_apt(tmp_path, monkeypatch, f'[ "$(wc -l < "{calls}")" = 2 ] && exit 100; exit 0')
    install_packages(["rabbitmq-server"])
    assert calls.read_text().split() == ["install", "install", "update", "install"]


def test_a_failure_tells_the_package_managers_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_apt(tmp_path, monkeypatch, "echo no such package >&2; exit 100")
    with pytest.raises(LocalError, match=r"(?s)must install rabbitmq-server, got:\nno such package.*by hand"):
        install_packages(["rabbitmq-server"])


def test_the_server_that_the_environment_names_comes_first(tmp_path: Path) -> None:
    server = tmp_path / "rabbitmq-server"
    chosen = {"MILLRACE_RABBITMQ_SERVER": str(server)}
    with pytest.raises(LocalError, match=f"MILLRACE_RABBITMQ_SERVER must be .* got {server}: no such program"):
        find_server(chosen)
    server.touch(0o600)
    with pytest.raises(LocalError, match="no such program"):
        find_server(chosen)
    server.chmod(0o700)
    assert find_server(chosen) == server
    assert find_server({"MILLRACE_RABBITMQ_SERVER": ""}) == find_server({})
