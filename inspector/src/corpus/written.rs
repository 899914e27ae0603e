//! Text in a TOML that means something: read where its place is known, so that what is wrong with it has a line.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// What a text says. A mistake in it is told where the text stands, and not where the list of all begins: that is what
/// reading it by way of `String` would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reads<T>(PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Reads<T> {
            type Value = Written<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Written).map_err(E::custom)
            }
        }

        from.deserialize_str(Reads(PhantomData))
    }
}
