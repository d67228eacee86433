"""The members of a cluster: what they send through Kafka, and what they read from it."""
