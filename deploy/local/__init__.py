"""One supervisor for the local servers and services, used by `make run`, tests, benchmarks and chaos alike."""
