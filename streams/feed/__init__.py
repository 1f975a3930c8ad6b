"""The supervisor's page and its API: what crosses the topics, kept in a store and pushed to browsers. Thin."""
