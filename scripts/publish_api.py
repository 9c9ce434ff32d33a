"""Write the published description of the API: docs/api/openapi.json."""

from __future__ import annotations

import json
from pathlib import Path

from middlewatch.frontends.web.api.description import description

FILE = Path(__file__).parents[1] / "docs" / "api" / "openapi.json"


def main() -> None:
    """Write it."""
    FILE.write_text(json.dumps(description(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"wrote {FILE}")


if __name__ == "__main__":
    main()
