"""Sites and salts of Plausible's PostgreSQL database, followed or imported (docs/plausible.md)."""
