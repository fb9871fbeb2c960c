"""What the measurements share: processes on their own core, a load client, and the table of results."""
