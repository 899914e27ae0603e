//! Command-line options for the demo's load: the request rate, and slowdown factors for tags.

use std::str::FromStr as _;

/// How many requests the demo's clients send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// A fixed number of requests per second, whether or not answers arrive (open loop).
    Rate(f64),
    /// As many as the server can answer: every connection keeps several requests outstanding (closed loop).
    Max,
}

impl Load {
    /// Parses a rate such as `600`, or `max`.
    ///
    /// # Errors
    ///
    /// A sentence that states the expected form.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let rate = f64::from_str(text).ok().filter(|rate| (1.0..=100_000.0).contains(rate));
        rate.map(Self::Rate)
            .ok_or_else(|| "write a number of requests a second from 1 to 100000, or max".to_owned())
    }
}

/// A tag whose tasks take `factor` times as long.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// The tag's name.
    pub tag: String,
    /// The factor, at least 1.
    pub factor: f64,
}

impl Scale {
    /// Parses `TAG=FACTOR`. Does not check whether the tag exists.
    ///
    /// # Errors
    ///
    /// A sentence that states the expected form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let explain =
            || "write it as TAG=FACTOR with a factor from 1 to 1000, for example ReadFile=1.2".to_owned();
        let (tag, factor) = text.split_once('=').ok_or_else(explain)?;
        let factor = f64::from_str(factor).ok().filter(|factor| (1.0..=1000.0).contains(factor));
        Ok(Self { tag: tag.to_owned(), factor: factor.ok_or_else(explain)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_a_rate_or_max() {
        assert_eq!(Load::parse("max"), Ok(Load::Max));
        assert_eq!(Load::parse("250"), Ok(Load::Rate(250.0)));
        for wrong in ["0", "-5", "NaN", "1e9", "much"] {
            assert!(Load::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn scales_name_a_tag_and_a_factor() {
        assert_eq!(Scale::parse("ReadFile=1.2"), Ok(Scale { tag: "ReadFile".to_owned(), factor: 1.2 }));
        for wrong in ["ReadFile", "ReadFile=", "ReadFile=0.5", "ReadFile=inf"] {
            assert!(Scale::parse(wrong).is_err(), "{wrong}");
        }
    }
}
