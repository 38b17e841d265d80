"""The vocabulary: pure values and their arithmetic. No I/O, no clock, no bytes."""
