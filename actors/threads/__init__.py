"""Bridges to threads, for libraries that block or need asyncio."""
