"""The tracker script and its route."""
