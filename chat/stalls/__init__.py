"""From an alert about a task that does not get on to what a person can do about it."""
