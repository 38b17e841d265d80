"""The rules of evaluation: values in, values out, the time is in them."""
