"""Handlers of the gated catalog."""
