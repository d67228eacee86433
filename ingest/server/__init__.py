"""The server process: its files, its start and its shutdown."""
