"""Entry point of `autoreg` and of `python -m autoreg_jax.cli`."""

import sys

from autoreg_jax.cli._main import main as main

if __name__ == "__main__":
    sys.exit(main())
