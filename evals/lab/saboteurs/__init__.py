"""Programs that disturb the shop for as long as their standard input is open. None of them is part of it, or exports anything."""
