"""How the embedded weights were made, so that anyone can make them again."""
