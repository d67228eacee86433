"""The fold over accepted events: what they add up to."""
