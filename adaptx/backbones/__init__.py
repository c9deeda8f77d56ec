"""Pretrained networks of every model family, read through hidden states or text.

They are loaded here, their inputs are batched, and their precision is set.
"""
