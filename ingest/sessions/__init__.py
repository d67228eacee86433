"""Visitors and visits: ids, salts, session arithmetic."""
