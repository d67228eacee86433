"""Derives device, place and source of an event (spec/enrichment.md)."""
