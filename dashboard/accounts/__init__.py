"""How users log in: password, one-time login link, API token."""
