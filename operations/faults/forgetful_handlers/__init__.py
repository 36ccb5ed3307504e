"""Handlers of the fault suite's catalog for an inbox that may forget: their effects are outside of its transaction."""
