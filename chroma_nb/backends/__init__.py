"""Who answers requests: the embedded engine, or a server over HTTP."""
