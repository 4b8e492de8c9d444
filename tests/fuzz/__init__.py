"""Coverage-guided fuzzing of everything that reads a person's bytes; what it found is kept as cases."""
