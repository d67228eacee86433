"""The HTTP server: the application, its access control, and the listener."""
