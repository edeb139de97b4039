"""``python -m wasmir``, and what the ``wasmir`` command starts."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from wasmir.cli import cli

    cli(prog_name="wasmir")


if __name__ == "__main__":
    main()
