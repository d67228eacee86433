"""The fold from accepted events to sessions, counters and rows."""
