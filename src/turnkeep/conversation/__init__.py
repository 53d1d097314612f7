"""What was said: items, and the branching log they stand in. Pure."""
