"""fuzz – any input at all: a verdict, and never an exception."""
