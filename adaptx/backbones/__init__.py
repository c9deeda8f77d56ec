"""Pretrained networks of every model family, read through hidden states or text: loading, batching, precision."""
