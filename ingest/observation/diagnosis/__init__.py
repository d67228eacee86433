"""Describes problems of a server in words, and what to do about them."""
