"""middlewatch investigates incidents: an alert in, the likely cause with its evidence out."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("middlewatch")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
