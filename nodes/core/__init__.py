"""What every long-lived part needs: clocks, retry delays, service lifecycles, redaction, file and port checks."""
