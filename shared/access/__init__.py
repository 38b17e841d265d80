"""Who may ask, for services and operators alike: keys, what the installation has signed, links that log in once."""
