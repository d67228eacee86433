"""The journal: events on disk from their verdict until their rows are stored."""
