"""What comes in: the journey file, the event log, the feedback table, and the engine SQL runs on."""
