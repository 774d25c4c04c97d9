"""`autoreg doctor`."""

import dataclasses
from dataclasses import dataclass

from autoreg_jax.cli._show import show_json, show_table


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Check the installation: packages, devices and arithmetic, in ten seconds.

    Exit code 1 if a check fails.

    Example:
      autoreg doctor
    """

    json: bool = False
    """Print JSON instead of a table."""

    after_interrupt = "Nothing was written."

    def run(self) -> int:
        """Run the checks and print them."""
        from autoreg_jax.runtime import selfcheck

        checks = selfcheck()
        is_well = all(check.ok for check in checks)
        if self.json:
            found = [dataclasses.asdict(check) for check in checks]
            show_json({"ok": is_well, "checks": found})
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
            show_table(
                "autoreg doctor",
                ["", "check", "found", "seconds"],
                rows,
                justify="left",
            )
        return 0 if is_well else 1
