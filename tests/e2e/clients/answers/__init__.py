"""What each client does with each status that it may be answered: the table of docs/clients/statuses.md."""
