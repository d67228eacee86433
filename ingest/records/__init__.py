"""The records of the log as bytes."""
