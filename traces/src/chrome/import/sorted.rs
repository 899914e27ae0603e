//! External sorting: runs that fit into memory are sorted, spilled to a temporary file, and merged.
//!
//! A record is a row of words, compared word by word. A single run never touches the disk.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Bytes of records gathered before they are sorted and spilled.
const RUN_BYTES: usize = 32 << 20;

/// Read buffer of each run during a merge, in bytes.
const WINDOW_BYTES: usize = 64 << 10;

/// Most runs merged at once.
const RUNS_MAX: usize = 512;

/// Gathers records of `N` words.
#[derive(Debug)]
pub(super) struct Sorter<const N: usize> {
    gathered: Vec<[u64; N]>,
    limit: usize,
    file: Option<BufWriter<File>>,
    /// The byte offset and the record count of each run.
    runs: Vec<(u64, u64)>,
    bytes: u64,
}

impl<const N: usize> Default for Sorter<N> {
    fn default() -> Self {
        Self::with_limit(RUN_BYTES / size_of::<[u64; N]>())
    }
}

impl<const N: usize> Sorter<N> {
    /// Sorts in runs of `limit` records.
    pub(super) fn with_limit(limit: usize) -> Self {
        Self { gathered: Vec::new(), limit, file: None, runs: Vec::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, record: [u64; N]) -> io::Result<()> {
        self.gathered.push(record);
        if self.gathered.len() < self.limit {
            return Ok(());
        }
        self.spill()
    }

    fn spill(&mut self) -> io::Result<()> {
        self.gathered.sort_unstable();
        if self.file.is_none() {
            self.file = Some(BufWriter::with_capacity(WINDOW_BYTES, tempfile::tempfile()?));
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        for record in &self.gathered {
            for word in record {
                file.write_all(&word.to_le_bytes())?;
            }
        }
        self.runs.push((self.bytes, self.gathered.len() as u64));
        self.bytes += (self.gathered.len() * size_of::<[u64; N]>()) as u64;
        self.gathered.clear();
        if self.runs.len() >= RUNS_MAX { self.join() } else { Ok(()) }
    }

    /// Merges all runs into one, so that their number stays bounded.
    fn join(&mut self) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let file = Arc::new(file.into_inner().map_err(io::IntoInnerError::into_error)?);
        let mut joined = BufWriter::with_capacity(WINDOW_BYTES, tempfile::tempfile()?);
        let mut count = 0;
        for record in Merged::<N>::new(&[], &file, &self.runs)? {
            for word in record? {
                joined.write_all(&word.to_le_bytes())?;
            }
            count += 1;
        }
        self.file = Some(joined);
        self.runs = vec![(0, count)];
        Ok(())
    }

    /// Ends the input: the records can then be read in order, any number of times.
    pub(super) fn finish(mut self) -> io::Result<Sorted<N>> {
        self.gathered.sort_unstable();
        let file = match self.file.take() {
            Some(file) => Some(Arc::new(file.into_inner().map_err(io::IntoInnerError::into_error)?)),
            None => None,
        };
        Ok(Sorted { gathered: self.gathered, file, runs: self.runs })
    }
}

/// Records in order.
#[derive(Debug)]
pub(super) struct Sorted<const N: usize> {
    gathered: Vec<[u64; N]>,
    file: Option<Arc<File>>,
    runs: Vec<(u64, u64)>,
}

impl<const N: usize> Sorted<N> {
    pub(super) fn iter(&self) -> io::Result<Merged<'_, N>> {
        match &self.file {
            Some(file) => Merged::new(&self.gathered, file, &self.runs),
            None => Ok(Merged {
                gathered: self.gathered.iter(),
                runs: Vec::new(),
                heads: BinaryHeap::new(),
                next: None,
            }),
        }
    }
}

/// A part of the file, read at its own position.
struct Window {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Window {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(out.len());
        let count = self.file.read_at(&mut out[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn take<const N: usize>(run: &mut BufReader<Window>) -> io::Result<Option<[u64; N]>> {
    if run.get_ref().at >= run.get_ref().end && run.buffer().is_empty() {
        return Ok(None);
    }
    let mut record = [0; N];
    for word in &mut record {
        let mut bytes = [0; 8];
        run.read_exact(&mut bytes)?;
        *word = u64::from_le_bytes(bytes);
    }
    Ok(Some(record))
}

/// The records of all runs, in ascending order.
pub(super) struct Merged<'a, const N: usize> {
    gathered: std::slice::Iter<'a, [u64; N]>,
    runs: Vec<BufReader<Window>>,
    heads: BinaryHeap<Reverse<([u64; N], usize)>>,
    next: Option<[u64; N]>,
}

impl<'a, const N: usize> Merged<'a, N> {
    fn new(gathered: &'a [[u64; N]], file: &Arc<File>, runs: &[(u64, u64)]) -> io::Result<Self> {
        let mut merged =
            Self { gathered: gathered.iter(), runs: Vec::new(), heads: BinaryHeap::new(), next: None };
        for (at, records) in runs {
            let end = at + records * size_of::<[u64; N]>() as u64;
            let window = Window { file: Arc::clone(file), at: *at, end };
            let mut run = BufReader::with_capacity(WINDOW_BYTES, window);
            if let Some(record) = take(&mut run)? {
                merged.heads.push(Reverse((record, merged.runs.len())));
            }
            merged.runs.push(run);
        }
        merged.next = merged.gathered.next().copied();
        Ok(merged)
    }

    fn advance(&mut self) -> io::Result<Option<[u64; N]>> {
        let Some(Reverse((head, place))) = self.heads.peek().copied() else {
            return Ok(self.next.take().or_else(|| self.gathered.next().copied()));
        };
        if let Some(own) = self.next
            && own <= head
        {
            self.next = self.gathered.next().copied();
            return Ok(Some(own));
        }
        self.heads.pop();
        if let Some(record) = take(&mut self.runs[place])? {
            self.heads.push(Reverse((record, place)));
        }
        Ok(Some(head))
    }
}

impl<const N: usize> Iterator for Merged<'_, N> {
    type Item = io::Result<[u64; N]>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// A recording assembled from pieces in a temporary file, and read from the start.
#[derive(Debug)]
pub(super) struct Pieces {
    file: File,
    /// Length of the contiguous data so far, in bytes.
    pub(super) whole: u64,
    pub(super) is_broken: bool,
}

impl Pieces {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, whole: 0, is_broken: false })
    }

    /// Appends a piece, which must begin where the last one ended.
    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if at != self.whole {
            self.is_broken = true;
            return Ok(());
        }
        self.file.write_all(bytes)?;
        self.whole += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn into_file(mut self) -> io::Result<File> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(records: &[[u64; 2]], limit: usize) -> Vec<[u64; 2]> {
        let mut sorter = Sorter::with_limit(limit);
        for record in records {
            sorter.push(*record).unwrap();
        }
        let sorted = sorter.finish().unwrap();
        let twice = sorted.iter().unwrap().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(sorted.iter().unwrap().map(Result::unwrap).collect::<Vec<_>>(), twice);
        twice
    }

    #[test]
    fn any_number_of_runs_gives_the_same_order() {
        let mut records: Vec<[u64; 2]> = (0..5000).map(|n| [n * 7919 % 1009, n]).collect();
        let shuffled = records.clone();
        records.sort_unstable();
        for limit in [1_000_000, 5000, 1024, 4] {
            assert_eq!(sorted(&shuffled, limit), records, "runs of {limit}");
        }
        assert_eq!(sorted(&[], 4), [] as [[u64; 2]; 0]);
    }
}
