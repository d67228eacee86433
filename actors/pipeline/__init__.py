"""The stages between a request and the store, and what carries messages and verdicts."""
