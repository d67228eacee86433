"""Reads and answers plain event requests without a task for each request."""
