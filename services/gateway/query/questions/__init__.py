"""How parameters of questions are written, and refused."""
