"""Shop: a small real web service with a cache, a database, workers, and faults that can be switched on."""
