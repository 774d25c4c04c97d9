"""`autoreg doctor`."""

import dataclasses
from argparse import Namespace

from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._show import show_json, show_line, show_table


class Doctor(Verb):
    """Check the installation: packages, devices, arithmetic.

    Exit code 1 if a check fails.

    Example:
      autoreg doctor
    """

    @staticmethod
    def run(options: Namespace) -> int:
        """Run the checks and print them."""
        try:
            from autoreg_jax.workflows import selfcheck
        except ImportError as error:
            show_line("FAILED", f"{error}; run: pip install autoreg_jax")
            return 1

        checks = selfcheck()
        is_ok = all(check.ok for check in checks)
        if options.json:
            found = [dataclasses.asdict(check) for check in checks]
            show_json({"ok": is_ok, "checks": found})
        else:
            rows = [
                [
                    "ok" if check.ok else "FAILED",
                    check.name,
                    check.detail,
                    f"{check.seconds:.1f}",
                ]
                for check in checks
            ]
            header = ["", "check", "result", "seconds"]
            show_table("autoreg doctor", header, rows, justify="left")
        return 0 if is_ok else 1
