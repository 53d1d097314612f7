"""Conversations as other programs write them, read into one common value. Knows no store."""
