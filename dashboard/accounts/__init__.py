"""Login by password, one-time login link or API token."""
