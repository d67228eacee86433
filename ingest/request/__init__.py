"""What a client sent: the body, its URL, its headers (spec/ingestion.md §2 to §9)."""
