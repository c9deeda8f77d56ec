"""Formats as text to text: a prompt is read, and the answer is ranked among candidates or written."""
