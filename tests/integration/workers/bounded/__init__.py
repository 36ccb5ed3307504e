"""Handlers that hang or take their process down, each time: bounded, and nobody else's trouble."""
