"""One AMQP connection with one channel whose confirms are matched to delivery tags here.

py-amqp takes any confirm for the latest message and waits for CloseOk under a broker alarm (py-amqp #293); this
class counts tags itself and is thrown away after any doubt.
"""

import contextlib
import os
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp

from millrace.errors import BrokerUnreachable, ChannelClosed, ConfirmTimeout, PublishError, Refused, Unroutable
from millrace.publishing.message import Message

#: So many messages are sent before their confirms are awaited (measured: more brings little).
ROUND = 500

#: Headers must fit one frame (128 KiB by default): the broker closes the whole connection for a larger one.
MAX_HEADER_BYTES = 100_000


def broker_options(url: str) -> dict[str, Any]:
    """The arguments of py-amqp's Connection for `amqp[s]://user:password@host:port/vhost`; raises ValueError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # its message may hold a piece of the password
        host, port = None, None
    if not host or parts.scheme not in ("amqp", "amqps"):
        raise ValueError("broker URL must be amqp[s]://user:password@host:port/vhost, its parts percent-encoded")
    secure = parts.scheme == "amqps"
    bracketed = f"[{host}]" if ":" in host else host
    options: dict[str, Any] = {
        "host": f"{bracketed}:{port or (5671 if secure else 5672)}",
        "userid": unquote(parts.username or "guest"),
        "password": unquote(parts.password or "guest"),
        "virtual_host": unquote(parts.path[1:]) or "/",
    }
    if secure:
        options["ssl"] = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname}
    return options


def _patience(timeout: float) -> dict[int, int]:
    """Where the system can, let it wait as long as we do: py-amqp has it end a connection after one second."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    return {} if option is None else {option: max(1, round(timeout * 1000))}


class ConfirmedConnection:
    """A connection for confirmed, mandatory publishing from one thread; `broken` once anything went wrong."""

    def __init__(self, url: str, timeout: float, connect_timeout: float | None = None) -> None:
        self.timeout = timeout
        self.broken = False
        #: The broker goes on refusing on a channel that met a full queue until that is drained, though its limit is
        #: gone (RabbitMQ 3.10.8): only a new channel learns of it.
        self.worn = False
        self.pid = os.getpid()
        self._last_tag = 0
        self._open: dict[int, int] = {}
        self._results: list[PublishError | None] = []
        self._messages: Sequence[Message] = ()
        self._connection = amqp.Connection(
            **broker_options(url),
            connect_timeout=connect_timeout or timeout,
            read_timeout=timeout,
            write_timeout=timeout,
            heartbeat=0,
            socket_settings=_patience(timeout),
        )
        try:
            self._connection.connect()
            self._channel = self._connection.channel()
            self._channel.confirm_select()
        except (OSError, amqp.AMQPError) as error:
            self.abandon()
            raise BrokerUnreachable(f"no connection to the broker: {error}") from error
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)

    def send(self, messages: Sequence[Message]) -> list[PublishError | None]:
        """Send all and wait for every confirm: None for a confirmed message, else why it is not.

        After an error that says nothing about a message (time-out, lost connection) the connection is broken.
        """
        self._messages = messages
        self._results = [BrokerUnreachable("not sent")] * len(messages)
        self._open.clear()
        try:
            for start in range(0, len(messages), ROUND):
                self._send_round(range(start, min(start + ROUND, len(messages))))
        except (TimeoutError, BlockingIOError):  # reading has the first, writing the second
            self._give_up(ConfirmTimeout(f"no confirm from the broker within {self.timeout:g} s"))
        except amqp.exceptions.ChannelError as error:
            self._give_up(ChannelClosed(f"the broker closed the channel: {error}"))
        except (OSError, amqp.AMQPError) as error:
            self._give_up(BrokerUnreachable(f"the connection to the broker was lost: {error}"))
        except BaseException:  # a time limit of the caller's, or Control-C: half a frame may have been sent
            self.abandon()
            raise
        return self._results

    def _send_round(self, indexes: range) -> None:
        for index in indexes:
            self._publish(index)
        deadline = time.monotonic() + self.timeout
        while self._open:
            self._connection.drain_events(timeout=max(deadline - time.monotonic(), 0.001))

    def _publish(self, index: int) -> None:
        message = self._messages[index]
        if message.headers and len(repr(message.headers).encode("utf-8", "replace")) > MAX_HEADER_BYTES:
            self._results[index] = Refused(f"the message's headers must be at most {MAX_HEADER_BYTES} bytes")
            return
        content = amqp.Message(
            message.body,
            content_type=message.content_type,
            delivery_mode=2,
            message_id=message.message_id,
            application_headers=dict(message.headers),
        )
        try:
            self._channel.basic_publish(content, message.exchange, message.routing_key, mandatory=True)
        except (struct.error, ValueError, amqp.exceptions.FrameSyntaxError) as error:  # nothing of it was written
            self._results[index] = Refused(f"the message cannot be encoded for AMQP: {error}")
            return
        self._last_tag += 1
        self._open[self._last_tag] = index

    def _give_up(self, error: PublishError) -> None:
        """Nothing more can be learnt on this connection: what is open, or was not sent, has this error."""
        self.broken = True
        unsettled = set(self._open.values())
        for index, result in enumerate(self._results):
            if index in unsettled or isinstance(result, BrokerUnreachable):
                self._results[index] = error
        self.abandon()

    def _settle(self, tag: int, multiple: bool) -> list[int]:
        tags = [open_tag for open_tag in self._open if open_tag <= tag] if multiple else [tag]
        return [self._open.pop(each) for each in tags if each in self._open]

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for index in self._settle(tag, multiple):
            if not isinstance(self._results[index], Unroutable):
                self._results[index] = None

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self.worn = True
        for index in self._settle(tag, multiple):
            sent = self._messages[index]
            self._results[index] = Refused(
                f"the broker refused {sent.routing_key!r} at exchange {sent.exchange!r}: a queue is full or failing "
                "(`millrace verify` and `millrace status` say which); others may have it, send it again with its id"
            )

    def _on_return(self, reason: amqp.ChannelError, exchange: str, key: str, message: amqp.Message) -> None:
        """A return comes before its message's confirm and bears no tag: the first open one that looks alike is it."""
        returned = (message.properties.get("message_id"), exchange, key)
        for index in self._open.values():
            sent = self._messages[index]
            alike = (sent.message_id, sent.exchange, sent.routing_key) == returned
            if alike and not isinstance(self._results[index], Unroutable):
                self._results[index] = Unroutable(
                    f"{reason.reply_code} {reason.reply_text}: no queue takes {key!r} from exchange {exchange!r}"
                )
                return

    def looks_alive(self) -> bool:
        """False if the broker has closed the connection while it was idle (a TLS socket cannot tell)."""
        try:
            return bool(self._connection.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except (BlockingIOError, ValueError):
            return True
        except (OSError, AttributeError):
            return False

    def abandon(self) -> None:
        """Close the socket without a word: a broker in alarm would not answer a polite close."""
        self.broken = True
        with contextlib.suppress(OSError, amqp.AMQPError):
            self._connection.collect()

    def let_go(self) -> None:
        """Close this process's copy of the socket without shutting it down: after a fork the parent still uses it."""
        self.broken = True
        with contextlib.suppress(OSError, AttributeError):
            self._connection.sock.close()

    def close(self) -> None:
        """Say goodbye to the broker and close."""
        if self.broken:
            return
        with contextlib.suppress(OSError, amqp.AMQPError):
            self._connection.close()
        self.abandon()
