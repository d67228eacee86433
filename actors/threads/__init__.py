"""Bridges to threads, for libraries that block or know asyncio only."""
