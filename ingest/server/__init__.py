"""Putting a server process together: its files, its start, its end."""
