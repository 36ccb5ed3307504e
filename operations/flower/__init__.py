"""Flower as Millrace runs it: it shows, it does not steer, and it shows no payloads."""
