"""Turn a recipe into its plan: its distinct stages in order, each with a name and a fingerprint.

A recipe that cannot run is refused with all reasons.
"""
