"""What an operator sees of single events: the last ones, why they were dropped, how they went."""
