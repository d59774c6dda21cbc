"""What customers are worth: forecast from purchases, recorded in a table, and by segment."""

NO_MONEY = "The journey file does not say what money is, so customers have no value here. Add value: {event: …, amount: …}."
