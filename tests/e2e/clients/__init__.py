"""Real clients, each as its users run it, against the running system."""
