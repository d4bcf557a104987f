"""The history in a Redis or Valkey that several machines share."""
