"""What makes a transaction or an outcome invalid, as a message and as a row of a table."""
