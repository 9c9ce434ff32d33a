"""How middlewatch is judged: recordings, and the lab that makes recordings of our own."""
