"""Applications that report numbered items by a client as it is shipped, and write down what they were told of each."""
