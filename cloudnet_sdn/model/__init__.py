"""What roles, store and plugins share: states, times, identifiers, settings."""
