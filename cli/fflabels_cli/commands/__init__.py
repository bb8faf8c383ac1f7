"""One file a command; what is heavy is imported inside it."""
