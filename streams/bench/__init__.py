"""`vigie bench`: what this machine carries, measured."""
