"""Handlers of the fault suite's catalog, one module per group."""
