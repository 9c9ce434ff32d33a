"""Uses a whole processor for nothing."""

from __future__ import annotations

from middlewatch.evals.lab.saboteurs.until import told_to_end


def main() -> None:
    """Compute until told to end."""
    end = told_to_end()
    while not end.is_set():
        sum(range(10_000))


if __name__ == "__main__":
    main()
