"""What is taken over from the PostgreSQL database of a Plausible (docs/plausible.md)."""
