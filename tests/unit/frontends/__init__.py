"""What the front ends show."""
