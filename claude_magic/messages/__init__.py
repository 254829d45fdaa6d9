"""The Messages API on the wire: client, event-stream reader, replies, errors and limits."""
