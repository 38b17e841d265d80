"""`tidegauge up`: the whole system on one machine, until Ctrl-C."""
