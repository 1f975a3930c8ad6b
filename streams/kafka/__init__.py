"""The Kafka room: the engine's stages on topics, and the tools around them. Thin: what it carries is decided elsewhere."""
