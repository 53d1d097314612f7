"""Forgetting: what was said is taken back out, wherever it went, and a receipt proves it.

courses.py holds the conversations, has the store erase in one transaction and then goes through the places
outside of it (places.py); receipt.py is what comes of it. retention.py does it by the age of what was said.
"""
