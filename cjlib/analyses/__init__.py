"""What is counted: one file a question; they do not know one another."""
