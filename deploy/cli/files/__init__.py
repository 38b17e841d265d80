"""Commands that write and read files of rows."""
