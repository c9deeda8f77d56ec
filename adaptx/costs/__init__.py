"""What stages will cost, in closed form: operations, bytes, hours on types of GPU; no torch."""
