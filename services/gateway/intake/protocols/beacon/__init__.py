"""Web vitals as their library has them, posted by `sendBeacon`."""
