"""Broker, worker fleet and Flower on this machine."""
