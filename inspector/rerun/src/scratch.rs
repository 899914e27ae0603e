//! Storage for intermediate recordings. Its files have no names, so they disappear with the process, even one that is
//! killed.

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::path::Path;

use loop_probes::metadata::Metadata;
use loop_traces::reader::{ReadError, TraceReader};
use loop_traces::writer::{NewFile, TraceWriter, WriteError, WriteOptions};

/// A file without a name for one recording at a time.
#[derive(Debug)]
pub struct Scratch(File);

impl Scratch {
    /// Creates an empty file in `TMPDIR`.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub(crate) fn create() -> io::Result<Self> {
        tempfile::tempfile().map(Self)
    }

    /// Begins a recording in place of the one in the file, which must have no readers.
    pub(crate) fn write(&self, metadata: &Metadata) -> Result<TraceWriter, WriteError> {
        let path = std::env::temp_dir();
        let create = |source| WriteError::Create { path: path.clone(), source };
        let mut file = self.0.try_clone().map_err(create)?;
        file.set_len(0).and_then(|()| file.rewind()).map_err(create)?;
        TraceWriter::new(NewFile::opened(file, &path), &path, metadata, WriteOptions::at_rest())
    }

    /// Reads the recording, which is called `name`. Readers share the file's position, which they set before each read.
    pub(crate) fn read(&self, name: &str) -> Result<TraceReader<File>, ReadError> {
        let path = std::env::temp_dir();
        let file =
            self.0.try_clone().map_err(|source| ReadError::Io { path: path.clone(), offset: 0, source })?;
        Ok(TraceReader::new(file, Path::new(&path))?.called(name))
    }

    /// Copies the recording to `output`.
    pub(crate) fn copy_to(&self, output: &mut dyn Write) -> io::Result<()> {
        let mut file = &self.0;
        file.rewind()?;
        io::copy(&mut file, output).map(drop)
    }
}
