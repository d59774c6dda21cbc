"""What a churn model learns from: features known at a cutoff, the outcome after it, and guards against leakage."""
