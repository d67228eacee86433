"""The last events, and those who follow new ones."""
