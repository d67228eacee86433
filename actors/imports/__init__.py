"""Imports of past events: files that are read, state that outlasts a crash, the work itself."""
