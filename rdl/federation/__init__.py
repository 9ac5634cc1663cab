"""What roles make of graphs: completion, values left open, aggregates, partition, merge."""
