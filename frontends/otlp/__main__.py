"""What runs beside `middlewatch serve`. Its words go nowhere; what matters is in the store."""

from __future__ import annotations

import sys

from middlewatch.frontends.cli import main

if __name__ == "__main__":
    sys.argv[1:] = ["otlp"]
    main()
