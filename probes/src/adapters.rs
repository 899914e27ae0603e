//! Adapters that record what other libraries report about a program, in the same rings.

#[cfg(feature = "tracing")]
pub mod tracing;
