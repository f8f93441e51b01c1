"""The workbench: one widget in which a collection is seen as a table, filtered, searched, read and edited."""
