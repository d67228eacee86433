"""The shared vocabulary: events, verdicts, URLs, ISO codes."""
