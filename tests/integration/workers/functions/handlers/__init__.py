"""The handlers of the tests' functions."""
