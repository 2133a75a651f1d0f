"""From an alert about a stuck task to what a person can do about it."""
