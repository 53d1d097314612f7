"""Engines: the inference servers we call, one adapter a file where they differ."""
