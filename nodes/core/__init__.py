"""What every long-lived part needs: time as a parameter, retry delays, and a life with a beginning and an end."""
