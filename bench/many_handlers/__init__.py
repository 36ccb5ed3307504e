"""Handlers of the catalog of many event types."""
