"""What clients of each protocol send for one vital, one error and one response time."""
