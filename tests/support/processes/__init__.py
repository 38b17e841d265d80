"""Real processes of the services: started, killed, frozen and waited for."""
