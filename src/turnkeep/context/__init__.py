"""What the engine should read next: budget, view, plan, compaction. Pure: values in, decision out."""
