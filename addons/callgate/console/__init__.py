"""The console: pages, a JSON API and notifications for the people who watch over a gate."""
