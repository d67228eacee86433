"""The composition roots: one for each role of a process."""
