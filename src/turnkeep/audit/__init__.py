"""The audit journal: one chained record a turn, what went in and out; files of its own beside the database."""
