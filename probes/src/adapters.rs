//! What other libraries already say about a program, in the same rings.

#[cfg(feature = "tracing")]
pub mod tracing;
