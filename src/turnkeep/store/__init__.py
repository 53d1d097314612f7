"""Stores: where conversations are kept. One contract, one file a backend."""
