"""The roles of a CloudNet: providers (PIP) and brokers (VNP), their store, facade and client."""
