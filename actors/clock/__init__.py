"""The pipeline's time."""
