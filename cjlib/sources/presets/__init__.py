"""Presets: how the exports of well-known tools become events or feedback, one YAML file each."""
