//! Strings in a TOML file with a syntax of their own: parsed where their position is known, so that errors have a line.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A parsed string. A mistake is reported at the string itself, not at the start of the list that contains it, as it
/// would be when parsed by way of `String`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpannedText<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for SpannedText<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct SpannedVisitor<T>(PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for SpannedVisitor<T> {
            type Value = SpannedText<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(SpannedText).map_err(E::custom)
            }
        }

        from.deserialize_str(SpannedVisitor(PhantomData))
    }
}
