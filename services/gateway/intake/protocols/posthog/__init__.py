"""What PostHog's SDKs post: captured events, page views, web vitals and exceptions."""
