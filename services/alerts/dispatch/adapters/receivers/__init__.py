"""The receivers: webhooks and the topic, each in a module of its own, all behind one port."""
