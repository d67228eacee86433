"""How the URL of a database with the sites begins."""

from typing import Final

DATABASE_SCHEMES: Final = ("postgres://", "postgresql://", "ecto://")
"""The schemes of PostgreSQL's URLs; the last is that of Plausible's own settings."""
