"""`autoreg doctor`."""

import dataclasses
from argparse import ArgumentParser, Namespace
from pathlib import Path

from autoreg_jax.cli._parser import Verb
from autoreg_jax.cli._show import show_json, show_line, show_table


class Doctor(Verb):
    """Check the installation, or the folder of a run.

    Of the installation packages, devices and arithmetic; of a run whether its
    files are complete and as they were written, and how it goes on. Exit code 1
    if a check fails.

    Examples:
      autoreg doctor
      autoreg doctor runs/mine
    """

    usage = "[RUN] [options]"

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        """Run."""
        group = parser.add_argument_group("run")
        text = "run folder to check, instead of the installation"
        group.add_argument("run", type=Path, metavar="RUN", nargs="?", help=text)

    @staticmethod
    def run(options: Namespace) -> int:
        """Run the checks and print them."""
        try:
            from autoreg_jax.workflows import check_run, selfcheck
        except ImportError as error:
            show_line("FAILED", f"{error}; run: pip install autoreg_jax")
            return 1

        checks = selfcheck() if options.run is None else check_run(options.run)
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
            title = "autoreg doctor" if options.run is None else str(options.run)
            show_table(title, header, rows, justify="left")
        return 0 if is_ok else 1
