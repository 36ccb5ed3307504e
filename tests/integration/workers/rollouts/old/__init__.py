"""Handlers of the old release."""
