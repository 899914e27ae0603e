//! Identity of the ring file itself: distinguishes the file that the process wrote from a copy of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

/// Identifies a file on this machine. Inode numbers are reused, but not together with the time of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    /// Nanoseconds since 1970; 0 on a filesystem that does not record the time of creation.
    created_ns: u64,
}

impl FileIdentity {
    /// The identity of an open file.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        let created = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let created_ns = created.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0));
        Ok(Self { device: found.dev(), inode: found.ino(), created_ns })
    }

    /// The identity in a header.
    pub(crate) const fn from_words([device, inode, created_ns]: [u64; 3]) -> Self {
        Self { device, inode, created_ns }
    }

    /// The words for the header.
    pub(crate) const fn to_words(self) -> [u64; 3] {
        [self.device, self.inode, self.created_ns]
    }
}

/// Makes the ring file at `path` the original, as if its process had created it there.
#[cfg(test)]
pub(crate) fn adopt(path: &std::path::Path) {
    use std::os::unix::fs::FileExt;

    use super::layout::head;

    let file = File::options().read(true).write(true).open(path).unwrap();
    let again = head::IDENTITY_AGAIN + head::IDENTITY.iter().position(|word| *word == head::FILE).unwrap();
    for (index, word) in FileIdentity::of(&file).unwrap().to_words().into_iter().enumerate() {
        for at in [head::FILE, again] {
            file.write_all_at(&word.to_ne_bytes(), (at + index) as u64 * 8).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_another_identity_and_a_renamed_file_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, moved] = ["one", "two", "moved"].map(|name| folder.path().join(name));
        std::fs::write(&one, "text").unwrap();
        std::fs::copy(&one, &two).unwrap();
        let identity = |path| FileIdentity::of(&File::open(path).unwrap()).unwrap();
        let original = identity(&one);
        assert_ne!(original, identity(&two));
        std::fs::rename(&one, &moved).unwrap();
        assert_eq!(original, identity(&moved));
        assert_eq!(FileIdentity::from_words(original.to_words()), original);
    }
}
