"""The last events, and the followers of new ones."""
