"""Formats as text to text: the model reads a prompt and ranks candidate answers, or writes the answer."""
