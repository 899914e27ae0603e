//! The TOML of a case is read strictly.

use super::*;

/// What is wrong with a TOML that goes on so.
fn wrong(rest: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    fs::write(&path, format!("about = \"a\"\nmade_by = \"b\"\n{rest}")).unwrap();
    Case::read(&path).map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn what_nobody_would_look_at_is_an_error() {
    assert_eq!(wrong("shows = [\"stalls == 0\"]\n[[gate]]\nmetric = \"stalls\"\nmax = 0"), "");
    assert_eq!(
        wrong("[[what_if]]\ngc = \"off\"\nbudget = \"2ms\"\n[[what_if.gate]]\nmetric = \"stalls\"\nmax = 0"),
        ""
    );
    for (rest, told) in [
        ("chekc = true", "unknown field `chekc`"),
        ("shows = [\"stall == 0\"]", "there is no metric \"stall\""),
        ("[[gate]]\nmetric = \"stalls\"", "has no bound"),
        ("[[gate]]\nmetric = \"timer_lag.p99\"\nworse_by = \"10%\"", "needs a base"),
        ("[[ran]]\ntag = \"A\"\nat = [\"soon\"]", "\"soon\" is no time"),
        ("[[what_if]]\npolciy = \"mini\"", "unknown field `polciy`"),
    ] {
        let error = wrong(rest);
        assert!(error.contains(told), "{rest}: {error}");
    }
}
