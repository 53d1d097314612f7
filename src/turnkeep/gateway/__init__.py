"""The gateway: any OpenAI client gets a memory, in front of any engine."""
