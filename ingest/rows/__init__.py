"""How events become rows: the tables, the rows and their encoding."""
