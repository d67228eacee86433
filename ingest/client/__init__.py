"""What the command line asks a running server, or opens itself when none runs."""
