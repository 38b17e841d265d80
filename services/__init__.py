"""The services. They never import each other: topics and tables are the only interfaces."""
