"""A made-up system of any size in a store of its own, and how long an investigation of it takes."""
