"""The folder of a newer RabbitMQ is whole or not there, and made once."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from operations.local.errors import LocalError
from tests import newer_rabbitmq
from tests.newer_rabbitmq import newer_server

SERVER = "usr/lib/rabbitmq/bin/rabbitmq-server"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which mirrors were asked; the first try breaks off half-way."""
    asked: list[str] = []

    def debootstrap(target: Path, _suite: str, mirror: str) -> None:
        asked.append(mirror)
        (target / SERVER).parent.mkdir(parents=True)
        if len(asked) == 1:
            raise LocalError("the line went down")
        (target / SERVER).write_text("a server")

    monkeypatch.setattr(newer_rabbitmq, "can_install", lambda: True)
    monkeypatch.setattr(newer_rabbitmq, "debian_mirror", lambda: "a mirror")
    monkeypatch.setattr(newer_rabbitmq, "install_packages", lambda _packages: None)
    monkeypatch.setattr(newer_rabbitmq, "_debootstrap", debootstrap)
    return asked


def test_a_half_made_folder_is_never_taken(tmp_path: Path, made: list[str]) -> None:
    with pytest.raises(LocalError, match="the line went down"):
        newer_server("next", tmp_path)
    assert list((tmp_path / "next").iterdir()) == []
    server = newer_server("next", tmp_path)
    assert server == tmp_path / "next" / "rabbitmq-server"
    assert os.access(server, os.X_OK)
    assert os.access(server.with_name("rabbitmqctl"), os.X_OK)
    assert newer_server("next", tmp_path) == server
    assert made == ["a mirror", "a mirror"]


def test_without_root_it_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newer_rabbitmq, "can_install", lambda: False)
    with pytest.raises(LocalError, match="needs root and apt-get"):
        newer_server("next", tmp_path)


def test_a_home_that_it_would_cover_is_refused(tmp_path: Path, made: list[str]) -> None:
    made.append("the try that failed")
    server = newer_server("next", tmp_path)
    ran = subprocess.run([server], env={"HOME": "/usr/x"}, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "HOME must not be below /usr, got /usr/x\n")
