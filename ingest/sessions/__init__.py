"""Visitors and sessions: ids, salts, session arithmetic."""
