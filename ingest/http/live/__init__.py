"""The operator's live page, its figures and its stream of events."""
