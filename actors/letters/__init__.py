"""Dead letters on disk."""
