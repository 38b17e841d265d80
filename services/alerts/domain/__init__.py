"""The rules of alerting: values in, values out, the time is in them."""
