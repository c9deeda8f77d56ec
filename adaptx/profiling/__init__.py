"""Measurement and prediction of the memory, time and energy of training steps and stages."""
