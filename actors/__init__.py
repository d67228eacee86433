"""The supervised tasks, their supervisor, and the stores they write to."""
