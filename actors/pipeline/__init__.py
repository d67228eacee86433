"""The stages between a request and the store, and the channels for messages and verdicts."""
