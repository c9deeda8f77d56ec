"""What several test files share: tiny models and rows, stores, specs, and the page of supported combinations."""
