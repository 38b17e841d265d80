"""The receivers: webhooks, PagerDuty, Slack and the topic, each in a module of its own, all behind one port."""
