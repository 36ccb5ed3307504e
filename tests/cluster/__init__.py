"""A real Kubernetes control plane with KEDA for tests: built from Go modules, run without containers."""
