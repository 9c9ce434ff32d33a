"""How well middlewatch does on the lab: a matrix of incidents is recorded, replayed as investigations, and scored."""
