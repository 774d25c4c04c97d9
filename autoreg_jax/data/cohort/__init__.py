"""The subjects of one split on one grid, and pairs of them."""
