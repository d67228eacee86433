"""What is learnt about an event beyond what it says: device, place, source (spec/enrichment.md)."""
