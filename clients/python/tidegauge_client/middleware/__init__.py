"""Response times of web applications: a wrapper for ASGI and one for WSGI."""

from tidegauge_client.middleware.asgi import ASGIMiddleware
from tidegauge_client.middleware.wsgi import WSGIMiddleware

__all__ = ["ASGIMiddleware", "WSGIMiddleware"]
