"""What an actor is, and what restarts one that fails."""
