"""Reading feedback: its columns, its values, and personal data taken out of it."""
