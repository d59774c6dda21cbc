"""Where data lies: files, databases, ClickHouse, Spark."""
