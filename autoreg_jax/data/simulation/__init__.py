"""A virtual population from the ICBM 152 template."""
