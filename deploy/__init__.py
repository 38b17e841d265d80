"""How the system is put up: servers, topics, tables and the command line."""
