"""Plain event requests, read and answered without a task for each."""
