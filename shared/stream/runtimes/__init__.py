"""The two runtimes of the pump, the choice between them, and the watchdog of both."""
