//! Tests that the TOML file of a saved regression is parsed strictly.

use std::fs;

use crate::support::corpus::Case;

/// The error for a TOML file with these further lines.
fn wrong(rest: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("a.toml");
    fs::write(&path, format!("about = \"a\"\nmade_by = \"b\"\n{rest}")).expect("a file can be written");
    Case::read(&path).map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn a_statement_that_matches_nothing_is_an_error() {
    assert_eq!(wrong("shows = [\"stalls == 0\"]\n[[gate]]\nmetric = \"stalls\"\nmax = 0"), "");
    assert_eq!(
        wrong("[[what_if]]\ngc = \"off\"\nbudget = \"2ms\"\n[[what_if.gate]]\nmetric = \"stalls\"\nmax = 0"),
        ""
    );
    for (rest, expected) in [
        ("chekc = true", "3: unknown field `chekc`"),
        ("shows = [\n  \"stalls == 0\",\n  \"stall == 0\",\n]", "5: there is no metric \"stall\""),
        ("[[gate]]\nmetric = \"stalls\"", "3: the gate on stalls has no bound"),
        ("[[gate]]\nmetric = \"stalls\"\nmax = 0\n\n[[gate]]\nmetric = \"stall\"", "8: there is no metric"),
        (
            "[[gate]]\nmetric = \"timer_lag.p99\"\nworse_by = \"10%\"",
            "5: the gate on timer_lag.p99 has worse_by",
        ),
        ("[[ran]]\ntag = \"A\"\nat = [\n  \"1ms\",\n  \"soon\"\n]", "7: \"soon\" is no time"),
        ("[[what_if]]\npolciy = \"mini\"", "4: unknown field `polciy`"),
        ("[[what_if]]\ngc = \"maybe\"", "4: unknown variant `maybe`"),
        ("[[what_if]]\n[[what_if.gate]]\nmetric = \"stalls\"\nmaximum = 0", "6: unknown key \"maximum\""),
        ("[[what_if]]\n\n[[what_if]]\nshows = [\"stalls is 0\"]", "6: "),
        ("[[what_if]]\nbudget = 2", "4: invalid type: integer `2`, expected a text"),
        ("[[gate]", "3: invalid TOML"),
        ("gate = 3", "3: write gates as [[gate]]"),
    ] {
        let error = wrong(rest);
        assert!(error.contains(&format!("a.toml:{expected}")), "{rest}: {error}");
        assert_eq!(error.lines().count(), 1, "{rest}: {error}");
    }
}
