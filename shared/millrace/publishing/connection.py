"""One AMQP connection with one channel, on which many publishes are on their way at a time.

py-amqp connects; what is sent and what comes back then is read and written here: py-amqp writes each message by itself
(and looks for an answer before), takes any confirm for the latest message, and waits for CloseOk under a broker alarm
(py-amqp #293). A connection is thrown away after any doubt.
"""

import contextlib
import os
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
from amqp import spec
from amqp.serialization import loads

from millrace.errors import BrokerUnreachable, ChannelClosed, ConfirmTimeout, PublishError
from millrace.publishing.confirms import Confirms
from millrace.publishing.line import Line
from millrace.publishing.message import Message
from millrace.publishing.wire import METHOD, Frame, publish_frames, signature

#: A burst is built and given to the line at once: so many bytes or messages, and the last one whole.
BURST_BYTES = 256 * 1024
BURST = 128
#: So many bursts may wait for confirms (measured: more brings little).
WINDOW = 8

_ACK, _NACK, _BLOCKED, _UNBLOCKED, _CHANNEL_CLOSE, _CONNECTION_CLOSE = map(
    signature,
    (
        spec.Basic.Ack,
        spec.Basic.Nack,
        spec.Connection.Blocked,
        spec.Connection.Unblocked,
        spec.Channel.Close,
        spec.Connection.Close,
    ),
)

#: What a confirm says: the tag, and bits of which the lowest is "and all before it" (1.8.3.13, and RabbitMQ's nack).
_CONFIRM = struct.Struct(">QB")


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
    """A connection for confirmed, mandatory publishing from one thread; `broken` once anything went wrong.

    The broker must confirm each message within `timeout` seconds after it was sent.
    """

    def __init__(self, url: str, timeout: float, connect_timeout: float | None = None) -> None:
        self.timeout = timeout
        self.broken = False
        #: The broker goes on refusing on a channel that met a full queue until that is drained, though its limit is
        #: gone (RabbitMQ 3.10.8): only a new channel learns of it.
        self.worn = False
        self.pid = os.getpid()
        self._last_tag = 0
        #: the last tag of each burst, and until when it must be confirmed
        self._bursts: deque[tuple[int, float]] = deque()
        self._confirms = Confirms(())
        self._blocked = ""
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
            self._line = Line(self._connection.sock)
        except (OSError, amqp.AMQPError) as error:
            self.abandon()
            raise BrokerUnreachable(f"no connection to the broker: {error}") from error
        self._channel.events["basic_return"].add(self._on_return)

    def send(self, messages: Sequence[Message]) -> list[PublishError | None]:
        """Send all and wait for every confirm: None for a confirmed message, else why it is not.

        After an error that says nothing about a message (time-out, lost connection) the connection is broken.
        """
        self._confirms = confirms = Confirms(messages)
        self._bursts.clear()
        try:
            self._exchange(messages)
        except TimeoutError:
            self._give_up(ConfirmTimeout(f"no confirm from the broker within {self.timeout:g} s{self._blocked}"))
        except amqp.exceptions.ChannelError as error:
            self._give_up(ChannelClosed(f"the broker closed the channel: {error}"))
        except (OSError, amqp.AMQPError) as error:
            self._give_up(BrokerUnreachable(f"the connection to the broker was lost: {error}"))
        except BaseException:  # a time limit of the caller's, or Control-C: half a frame may have been sent
            self.abandon()
            raise
        return confirms.results

    def _exchange(self, messages: Sequence[Message]) -> None:
        """Keep the line busy and the window full until all are sent and settled."""
        next_index = 0
        while True:
            while next_index < len(messages) and self._line.idle and len(self._bursts) < WINDOW:
                next_index = self._send_burst(messages, next_index)
            if not self._bursts:
                return
            for frame in self._line.turn(until=self._bursts[0][1]):
                self._take(frame)
            self._forget_settled_bursts()

    def _send_burst(self, messages: Sequence[Message], start: int) -> int:
        """Give some messages to the line; the index of the first that is left."""
        burst: list[bytes] = []
        size, index = 0, start
        while index < min(start + BURST, len(messages)) and size < BURST_BYTES:
            try:
                pieces = publish_frames(messages[index], self._channel.channel_id, self._connection.frame_max)
            except (struct.error, ValueError, amqp.exceptions.FrameSyntaxError) as error:
                self._confirms.refuse(index, f"the message cannot be encoded for AMQP: {error}")
            else:
                burst += pieces
                size += len(messages[index].body)
                self._last_tag += 1
                self._confirms.sent(self._last_tag, index)
            index += 1
        if burst:
            self._line.give(b"".join(burst))
            self._bursts.append((self._last_tag, time.monotonic() + self.timeout))
        return index

    def _forget_settled_bursts(self) -> None:
        first = self._confirms.first_open
        while self._bursts and (first is None or self._bursts[0][0] < first):
            self._bursts.popleft()

    def _take(self, frame: Frame) -> None:
        kind, _channel, payload = frame
        method = payload[:4] if kind == METHOD else b""
        if method in (_ACK, _NACK):
            tag, bits = _CONFIRM.unpack_from(payload, 4)
            self.worn = self.worn or method == _NACK
            (self._confirms.ack if method == _ACK else self._confirms.nack)(tag, bool(bits & 1))
        elif method in (_CHANNEL_CLOSE, _CONNECTION_CLOSE):  # py-amqp would open the channel again, and wait for it
            code, text, *about = loads("BsBB", payload, 4)[0]
            of = amqp.exceptions.ChannelError if method == _CHANNEL_CLOSE else amqp.exceptions.ConnectionError
            raise amqp.exceptions.error_for_code(code, text, tuple(about), of)
        elif method in (_BLOCKED, _UNBLOCKED):
            self._blocked = f": it takes none ({loads('s', payload, 4)[0][0]})" if method == _BLOCKED else ""
        else:
            self._connection.on_inbound_frame(frame)

    def _on_return(self, reason: amqp.ChannelError, exchange: str, key: str, message: amqp.Message) -> None:
        why = f"{reason.reply_code} {reason.reply_text}"
        self._confirms.returned(message.properties.get("message_id"), exchange, key, why)

    def _give_up(self, error: PublishError) -> None:
        self._confirms.give_up(error)
        self.abandon()

    def looks_alive(self) -> bool:
        """False if the broker has closed the connection while it was idle (a TLS socket cannot tell)."""
        if not self._line.readable():
            return True  # by far the most often, and peeking costs twice as much
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
            self._connection.sock.settimeout(self.timeout)
            self._connection.close()
        self.abandon()
