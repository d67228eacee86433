"""Requests of the command line to a running server, or direct access if none runs."""
