"""What alerts are made of, for those who evaluate, those who tell of them and those who are asked."""
