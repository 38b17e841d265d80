"""What tests lean on: servers, load, fakes, waiting."""
