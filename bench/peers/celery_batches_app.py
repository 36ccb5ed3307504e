"""Celery with celery-batches: what the worker has gathered is one call, and one transaction."""

from typing import Any

from celery_batches import Batches

from bench.peers.celery_app import app
from bench.peers.work import work_many

BATCH = 100


@app.task(name="orders", base=Batches, flush_every=BATCH, flush_interval=1)
def orders(requests: list[Any]) -> None:
    """Handle what was gathered."""
    work_many([request.kwargs for request in requests])
