"""Pretrained networks of every model family: loading, precision, batches of inputs, hidden states and answers."""
