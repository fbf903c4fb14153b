"""Measurements of the console and of its parts, beside peers."""
