"""The offline engine's side on Kubernetes: server-side apply, one handler for every kind."""
