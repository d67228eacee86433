"""The steps an event goes through, in the order that decides which reason is reported."""
