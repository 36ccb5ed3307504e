"""Runs Flower until SIGTERM: `python -m operations.flower`, settings from the environment."""

import asyncio
import logging
import signal
import sys

from tornado.ioloop import IOLoop
from tornado.log import enable_pretty_logging

from operations.flower.settings import FlowerSettings, FlowerSettingsError, from_environment


def main() -> int:
    """Serve until SIGTERM or SIGINT; 2 if the settings are wrong, 1 if the port is taken."""
    try:
        settings = from_environment()
    except FlowerSettingsError as error:
        sys.stderr.write(f"flower: {error}\n")
        return 2
    enable_pretty_logging()
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    try:
        asyncio.run(_serve(settings))
    except OSError as error:
        sys.stderr.write(f"flower: cannot listen on {settings.address}:{settings.port}: {error}\n")
        return 1
    return 0


async def _serve(settings: FlowerSettings) -> None:
    from operations.flower.server import make_flower  # noqa: PLC0415 (Celery is heavy; settings are checked first)

    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    flower = make_flower(settings, IOLoop.current())
    port = flower.start_http_server()
    flower.events.start()
    flower.update_workers()
    logging.getLogger("flower").info("Flower listens on http://%s:%s", settings.address, port)
    await stopped.wait()
    flower.events.stop()
    flower.executor.shutdown(wait=False, cancel_futures=True)


if __name__ == "__main__":
    sys.exit(main())
