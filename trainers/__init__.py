"""One runnable file per method, and the engine that runs them."""
