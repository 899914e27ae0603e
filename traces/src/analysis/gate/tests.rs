//! Gates over imagined runs.
