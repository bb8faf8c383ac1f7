"""The built-in labelers; they come in through entry points, by the same door as plugins."""
