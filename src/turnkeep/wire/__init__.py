"""Bytes and JSON to items and back; one code for gateway and engines. Pure."""
