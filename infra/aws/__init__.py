"""What a stack has at AWS; one component per file."""
