"""Handlers of the test catalog that need less than the database."""
