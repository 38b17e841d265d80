"""What all services share: errors, the vocabulary, the wire, the pump and the runtime."""
