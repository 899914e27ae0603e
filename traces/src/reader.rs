//! Reading a `.looptrace`.

/// Why a saved trace cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {}
