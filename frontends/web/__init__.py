"""The web: pages for people, without a build step, and the JSON API beside them."""
