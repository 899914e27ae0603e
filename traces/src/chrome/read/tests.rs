//! What the reader takes, and what it says of the rest.
