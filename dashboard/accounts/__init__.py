"""Users' ways in: password, one-time login link, API token."""
