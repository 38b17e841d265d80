"""The rules of dispatch: values in, values out."""
