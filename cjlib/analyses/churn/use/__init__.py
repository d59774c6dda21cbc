"""What is done with churn scores: who is worth contacting, value at risk, and how past forecasts held."""
