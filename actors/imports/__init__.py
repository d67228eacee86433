"""Imports of past events: their input files, their persistent state, and the import job."""
