"""Holds the write lock of a SQLite database, as a backup does that hangs: `... lock --database orders.sqlite3`."""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing

from middlewatch.evals.lab.saboteurs.until import told_to_end

_PATIENCE_SECONDS = 30.0


def main() -> None:
    """Hold the lock until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    arguments = parser.parse_args()
    with closing(sqlite3.connect(arguments.database, timeout=_PATIENCE_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        told_to_end().wait()
        connection.execute("ROLLBACK")


if __name__ == "__main__":
    main()
