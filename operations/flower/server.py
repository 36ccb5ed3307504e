"""Flower's application with Millrace's settings."""

from celery import Celery
from flower.app import Flower
from flower.urls import settings as tornado_settings
from tornado.ioloop import IOLoop
from tornado.options import options

from operations.connections import catalog
from operations.flower.redaction import RedactedEvents, RedactedInspector, without_payloads
from operations.flower.routes import restrict
from operations.flower.settings import FlowerSettings
from workers.app import make_app

#: A worker that has said nothing for this long is gone.
PURGE_SECONDS = 60
MAX_TASKS = 20_000
#: Flower asks workers eight things at once, each over its own connection, while it listens to events on another.
CONNECTIONS = 20
COLUMNS = "name,uuid,state,received,runtime,worker"


def make_flower(settings: FlowerSettings, loop: IOLoop) -> Flower:
    """The application, not yet listening."""
    app: Celery = make_app(settings.broker_url, catalog())
    app.conf.broker_pool_limit = CONNECTIONS
    restrict()
    _set_options(settings)
    events = RedactedEvents(
        app,
        io_loop=loop,
        enable_events=False,  # workers send them anyway; to tell them so is a command that changes something
        max_workers_in_memory=500,
        max_tasks_in_memory=MAX_TASKS,
    )
    flower = Flower(options=options, capp=app, events=events, io_loop=loop, **tornado_settings)
    flower.inspector = RedactedInspector(loop, app, options.inspect_timeout / 1000)
    return flower


def _set_options(settings: FlowerSettings) -> None:
    options.basic_auth = [settings.login]
    options.address = settings.address
    options.port = settings.port
    options.read_only = True
    options.purge_offline_workers = PURGE_SECONDS
    options.tasks_columns = COLUMNS
    options.persistent = False
    options.format_task = _format_task
    options.natural_time = False


def _format_task(task: object) -> object:
    """The last of three nets: whatever slipped into a task is not shown on its page."""
    for name in ("args", "kwargs", "result"):
        if getattr(task, name, None):
            setattr(task, name, without_payloads({name: "hidden"})[name])
    return task
