"""Import of sites and salts from Plausible's PostgreSQL database (docs/plausible.md)."""
