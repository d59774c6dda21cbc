"""The journey for agents: questions asked of it over the Model Context Protocol, and its definitions for semantic layers."""
