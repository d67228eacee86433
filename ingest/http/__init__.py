"""The web front: the application, the admin rule, the listener."""
