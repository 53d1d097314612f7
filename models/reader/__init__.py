"""The reader: the small model that comes with turnkeep, from its dialogues to its file.

values, families, talk: what is said, facts and how they are put, and small talk.
speaker, replies, dialogues, shapes: who says what, as turnkeep's own prompts show it.
tokenizer, rows: texts to rows of tokens with loss weights.
network, start, optimise, train: the model, how it begins, how it learns.
export, parity, eval: the GGUF file, whether it says the same, and how good it is.
"""
