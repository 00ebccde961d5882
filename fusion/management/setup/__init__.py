"""A set-up file: people, teams, connections, models and pools as TOML, read, applied and written."""
