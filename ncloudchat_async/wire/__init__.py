"""One call: endpoint, key, quota, retry and the two ways to the server; internal."""
