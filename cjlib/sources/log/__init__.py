"""The event log: its schema, its times, its conditions, and the engine that answers."""
