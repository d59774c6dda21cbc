"""What customers are worth: forecast from purchases, recorded in a table, and by segment."""
