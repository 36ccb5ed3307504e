"""The envelope of an event of the catalog, checked before anything is sent."""

from millrace.declarations import Catalog, Payload
from millrace.envelope import Envelope, open_payload, payload_from, seal
from millrace.errors import InvalidEvent


def checked_envelope(
    event: Payload | Envelope,
    catalog: Catalog,
    *,
    source: str,
    id: str | None = None,
    partition_key: str | None = None,
    traceparent: str | None = None,
) -> Envelope:
    """A valid envelope of a catalog's event; raises InvalidEvent if it is none."""
    if isinstance(event, Envelope):
        _require_own("id", id, event.id)
        _require_own("partitionkey", partition_key, event.partitionkey)
        open_payload(event, catalog)
        return event
    if not isinstance(event, Payload) or not hasattr(event, "event_type"):
        raise InvalidEvent("event", f"must be a payload of the catalog or an Envelope, got a {type(event).__name__}")
    declared = catalog.payload_class(event.event_type)
    if type(event) is not declared:
        raise InvalidEvent("type", f"{event.event_type} must be a {declared.__name__}, got a {type(event).__name__}")
    payload_from(declared, event.model_dump(warnings=False))
    return seal(event, source=source, id=id, partition_key=partition_key, traceparent=traceparent)


def public_envelope(
    event: Payload | Envelope, catalog: Catalog, *, source: str, id: str | None, partition_key: str | None
) -> Envelope:
    """A valid envelope that anyone may publish; raises InvalidEvent for a group's own task, too."""
    envelope = checked_envelope(event, catalog, source=source, id=id, partition_key=partition_key)
    owner = catalog.task_owner(envelope.type)
    if owner is not None:
        raise InvalidEvent("type", f"must be an event, got {envelope.type!r}, a task of the group {owner.name!r}")
    return envelope


def _require_own(attribute: str, wanted: str | None, own: str | None) -> None:
    if wanted is not None and wanted != own:
        raise InvalidEvent(attribute, f"must be the envelope's own ({own!r}) or not be given, got {wanted!r}")
