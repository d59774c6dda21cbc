"""What customers say: scores, sentiment, themes, drivers, and which stage each answer is about."""
