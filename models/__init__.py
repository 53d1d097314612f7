"""Programs that make the models that come with turnkeep."""
