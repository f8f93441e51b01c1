"""The waist turned outward: REST v2 over any backend."""
