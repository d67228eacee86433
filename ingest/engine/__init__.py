"""What the members of a cluster say to each other through Kafka, and what they conclude from it."""
