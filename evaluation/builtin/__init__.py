"""The built-in model against its bars, one question a file."""
