"""The feed: the topic of windows as this process follows it, for what is live and for what has changed."""
