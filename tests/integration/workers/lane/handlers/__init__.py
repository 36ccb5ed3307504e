"""Handlers of the tests of the lane."""
