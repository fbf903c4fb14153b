"""From findings to advice: the ranking and the score."""
