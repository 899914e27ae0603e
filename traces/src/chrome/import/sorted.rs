//! External sorting: runs that fit into memory are sorted, spilled to a temporary file, and merged. A single run never
//! touches the disk.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Bytes of records gathered before they are sorted and spilled.
const RUN_BYTES: usize = 32 << 20;

/// Read buffer of each run during a merge, in bytes.
const WINDOW_BYTES: usize = 64 << 10;

/// Maximum number of runs merged at once.
const RUNS_MAX: usize = 512;

/// A record that can be sorted, and spilled to a file.
pub(super) trait Record: Copy {
    /// What records are sorted by: no two records have the same.
    type Key: Copy + Ord;

    fn key(&self) -> Self::Key;

    fn spill(&self, out: &mut impl Write) -> io::Result<()>;

    fn take(from: &mut impl Read) -> io::Result<Self>;
}

/// Spills words.
pub(super) fn put_words(out: &mut impl Write, words: &[u64]) -> io::Result<()> {
    words.iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))
}

/// Takes spilled words.
pub(super) fn take_words<const N: usize>(from: &mut impl Read) -> io::Result<[u64; N]> {
    let mut words = [0; N];
    for word in &mut words {
        let mut bytes = [0; 8];
        from.read_exact(&mut bytes)?;
        *word = u64::from_le_bytes(bytes);
    }
    Ok(words)
}

/// Gathers records.
#[derive(Debug)]
pub(super) struct Sorter<R> {
    gathered: Vec<R>,
    limit: usize,
    file: Option<BufWriter<File>>,
    /// The bytes of each run.
    runs: Vec<Range<u64>>,
}

impl<R: Record> Default for Sorter<R> {
    fn default() -> Self {
        Self::with_limit(RUN_BYTES / size_of::<R>())
    }
}

impl<R: Record> Sorter<R> {
    /// Sorts in runs of `limit` records.
    pub(super) fn with_limit(limit: usize) -> Self {
        Self { gathered: Vec::new(), limit, file: None, runs: Vec::new() }
    }

    pub(super) fn push(&mut self, record: R) -> io::Result<()> {
        self.gathered.push(record);
        if self.gathered.len() < self.limit {
            return Ok(());
        }
        self.gathered.sort_unstable_by_key(R::key);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::with_capacity(WINDOW_BYTES, tempfile::tempfile()?)),
        };
        let begin = self.runs.last().map_or(0, |run| run.end);
        self.gathered.iter().try_for_each(|record| record.spill(file))?;
        self.runs.push(begin..file.stream_position()?);
        self.gathered.clear();
        if self.runs.len() >= RUNS_MAX { self.join() } else { Ok(()) }
    }

    /// Merges all runs into one, so that their number stays bounded.
    fn join(&mut self) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let file = Arc::new(file.into_inner().map_err(io::IntoInnerError::into_error)?);
        let mut joined = BufWriter::with_capacity(WINDOW_BYTES, tempfile::tempfile()?);
        for record in Merged::<R>::new(&[], Some(&file), &self.runs)? {
            record?.spill(&mut joined)?;
        }
        self.runs.clear();
        self.runs.push(0..joined.stream_position()?);
        self.file = Some(joined);
        Ok(())
    }

    /// Ends the input: the records can then be read in order, any number of times.
    pub(super) fn finish(mut self) -> io::Result<Sorted<R>> {
        self.gathered.sort_unstable_by_key(R::key);
        let file = self.file.take().map(|file| file.into_inner().map_err(io::IntoInnerError::into_error));
        Ok(Sorted { gathered: self.gathered, file: file.transpose()?.map(Arc::new), runs: self.runs })
    }
}

/// Sorted runs: the last one in memory, the others in the file. Iterating merges them.
#[derive(Debug)]
pub(super) struct Sorted<R> {
    gathered: Vec<R>,
    file: Option<Arc<File>>,
    runs: Vec<Range<u64>>,
}

impl<R: Record> Sorted<R> {
    pub(super) fn iter(&self) -> io::Result<Merged<'_, R>> {
        Merged::new(&self.gathered, self.file.as_ref(), &self.runs)
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

/// The records of all runs, in order.
pub(super) struct Merged<'a, R: Record> {
    gathered: std::iter::Peekable<std::slice::Iter<'a, R>>,
    runs: Vec<BufReader<Window>>,
    /// The next record of each run, and its key.
    heads: BinaryHeap<Reverse<(R::Key, usize)>>,
    next: Vec<Option<R>>,
}

impl<'a, R: Record> Merged<'a, R> {
    fn new(gathered: &'a [R], file: Option<&Arc<File>>, runs: &[Range<u64>]) -> io::Result<Self> {
        let window = |run: &Range<u64>| {
            let file = Arc::clone(file?);
            Some(BufReader::with_capacity(WINDOW_BYTES, Window { file, at: run.start, end: run.end }))
        };
        let runs: Vec<BufReader<Window>> = runs.iter().filter_map(window).collect();
        let next = runs.iter().map(|_| None).collect();
        let mut merged = Self { gathered: gathered.iter().peekable(), heads: BinaryHeap::new(), runs, next };
        (0..merged.runs.len()).try_for_each(|place| merged.refill(place))?;
        Ok(merged)
    }

    /// Reads the next record of a run.
    fn refill(&mut self, place: usize) -> io::Result<()> {
        let run = &mut self.runs[place];
        if run.get_ref().at < run.get_ref().end || !run.buffer().is_empty() {
            let record = R::take(run)?;
            self.heads.push(Reverse((record.key(), place)));
            self.next[place] = Some(record);
        }
        Ok(())
    }

    fn advance(&mut self) -> io::Result<Option<R>> {
        let head = self.heads.peek().map(|Reverse(head)| *head);
        let Some((_, place)) =
            head.filter(|(key, _)| self.gathered.peek().is_none_or(|own| *key < own.key()))
        else {
            return Ok(self.gathered.next().copied());
        };
        self.heads.pop();
        let record = self.next[place].take();
        self.refill(place)?;
        Ok(record)
    }
}

impl<R: Record> Iterator for Merged<'_, R> {
    type Item = io::Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Record for [u64; 2] {
        type Key = Self;

        fn key(&self) -> Self {
            *self
        }

        fn spill(&self, out: &mut impl Write) -> io::Result<()> {
            put_words(out, self)
        }

        fn take(from: &mut impl Read) -> io::Result<Self> {
            take_words(from)
        }
    }

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
