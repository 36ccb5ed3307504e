"""Handlers of the new release."""
