"""Commands about alerts: silences, and a sink that prints what receivers are told."""
