"""Tables: records from a DataFrame, a DataFrame of records, and the calls that move them in and out."""
