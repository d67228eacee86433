"""The actor interface, and the supervisor that restarts failed actors."""
