"""Any model family to hidden states: loading, sites, batching, and the transfer model."""
