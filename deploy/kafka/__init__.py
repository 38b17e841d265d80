"""The broker's jars and the creation of the topics."""
