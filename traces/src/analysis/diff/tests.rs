//! Comparisons of imagined runs.
