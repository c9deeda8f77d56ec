"""Starts: frozen modules stacked, fused or continued under a new one."""
