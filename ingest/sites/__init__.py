"""The sites: which there are, and what each takes in."""
