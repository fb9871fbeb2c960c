"""The drop-in claim: the official SDKs, old and new, against our server."""
