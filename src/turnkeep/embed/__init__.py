"""Embedders: what turns a text into a vector. The built-in small model, and engines that are named."""
