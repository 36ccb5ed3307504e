"""The mail sink, really sent to."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from operations.local.layout import REPOSITORY
from operations.local.management import accepts_connections
from operations.local.ports import LOOPBACK, free_ports

COMMAND = [sys.executable, "-m", "operations.local.mail_sink"]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    port, path = free_ports(1)[0], tmp_path / "mails.jsonl"
    environment = {**os.environ, "MILLRACE_MAIL_SINK_PORT": str(port), "MILLRACE_MAIL_SINK_FILE": str(path)}
    process = subprocess.Popen(COMMAND, env=environment, cwd=REPOSITORY)
    deadline = time.monotonic() + 20
    while not accepts_connections(port):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    yield port, path
    process.terminate()
    assert process.wait(10) == 0


def test_every_accepted_mail_is_a_line(sink: tuple[int, Path]) -> None:
    port, path = sink
    mail = EmailMessage()
    mail["Message-ID"], mail["Subject"], mail["From"], mail["To"] = "<one@example>", "Grüße", "a@example", "b@example"
    mail.set_content("Hello")
    with smtplib.SMTP(LOOPBACK, port) as client:
        client.send_message(mail)
        assert len(path.read_text().splitlines()) == 1, "the line must be there when the sender is told so"
        client.send_message(mail)
    first = json.loads(path.read_text().splitlines()[0])
    assert first.pop("received_at").endswith("+00:00")
    assert first == {"message_id": "<one@example>", "to": ["b@example"], "subject": "Grüße"}
    assert len(path.read_text().splitlines()) == 2


def test_missing_settings_are_named() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MILLRACE_")}
    done = subprocess.run(COMMAND, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, "MILLRACE_MAIL_SINK_PORT must be" in done.stderr) == (78, True)


def test_a_taken_port_is_said(sink: tuple[int, Path]) -> None:
    port, path = sink
    environment = {**os.environ, "MILLRACE_MAIL_SINK_PORT": str(port), "MILLRACE_MAIL_SINK_FILE": str(path)}
    done = subprocess.run(COMMAND, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, str(port) in done.stderr) == (1, True)
