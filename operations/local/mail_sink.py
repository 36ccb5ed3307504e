"""A mail server that delivers nowhere: it notes each accepted mail as one JSON line in a file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from operations.local.ports import LOOPBACK


class Sink:
    """Notes mails; the answer to the sender comes after the line is on its way to the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Accept one mail (the name is aiosmtpd's)."""
        content = envelope.content or b""
        message = message_from_bytes(content if isinstance(content, bytes) else content.encode(), policy=default)
        line = {
            "message_id": str(message["Message-ID"] or ""),
            "to": list(envelope.rcpt_tos),
            "subject": str(message["Subject"] or ""),
            "received_at": datetime.now(UTC).isoformat(),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return "250 OK"


async def serve(port: int, path: Path) -> None:
    """Accept mail on a loopback port until SIGTERM."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    sink = Sink(path)
    server = await loop.create_server(lambda: SMTP(sink, hostname="localhost"), LOOPBACK, port)
    async with server:
        await ended.wait()


def main() -> int:
    """Run on MILLRACE_MAIL_SINK_PORT, writing to MILLRACE_MAIL_SINK_FILE; 78 if they make no sense."""
    port, path = os.environ.get("MILLRACE_MAIL_SINK_PORT", ""), os.environ.get("MILLRACE_MAIL_SINK_FILE", "")
    if not port.isdecimal() or not path:
        print("MILLRACE_MAIL_SINK_PORT must be a port and MILLRACE_MAIL_SINK_FILE a path", file=sys.stderr)  # noqa: T201
        return 78
    try:
        asyncio.run(serve(int(port), Path(path)))
    except OSError as error:
        print(f"the mail sink must be able to listen on {LOOPBACK}:{port}, got: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
