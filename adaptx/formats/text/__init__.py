"""Text-to-text formats: the model reads a prompt, and ranks candidate answers or writes the answer."""
