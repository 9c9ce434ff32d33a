"""Language models: one seam, and the providers behind it. Nothing else knows their packages."""
