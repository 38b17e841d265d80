"""What may be exported: the body of a request, and conditions on rows."""
