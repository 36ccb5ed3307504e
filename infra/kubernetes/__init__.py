"""What a stack has on Kubernetes; one component per file."""
