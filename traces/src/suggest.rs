//! Suggestions of similar names, for errors about unknown ones.

/// How many names an error suggests.
const OFFERED: usize = 3;

/// The names in `names` most similar to `name`, nearest first, without duplicates: at most three. Case is ignored.
#[must_use]
pub fn nearest(name: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let name = name.to_lowercase();
    let like = |known: &str| strsim::jaro_winkler(&name, &known.to_lowercase());
    let mut near: Vec<(f64, String)> = names.into_iter().map(|known| (like(&known), known)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    near.dedup();
    near.into_iter().take(OFFERED).map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_names_come_first_without_duplicates() {
        let names = ["WriteFile", "ReadFile", "Echo", "ReadFile", "ReadDir"].map(str::to_owned);
        assert_eq!(nearest("readfile", names), ["ReadFile", "ReadDir", "WriteFile"]);
        assert!(nearest("x", []).is_empty());
    }
}
