"""What is shown: figures, answers in notebooks, explorers, reports."""
