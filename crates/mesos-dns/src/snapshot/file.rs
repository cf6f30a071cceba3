//! The file itself: replaced as a whole or not at all, and read with limits.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use mesos_dns_core::{
    cluster::Cluster,
    mesos::state::{About, Saved, SavedError, decode_saved, encode},
};

/// Largest file that is read, in bytes: two million tasks.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// Bytes that are written at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// What it shows is what the HTTP API shows to everybody; but who may read that is decided elsewhere.
const MODE: u32 = 0o600;

/// A file that keeps a cluster.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    path: PathBuf,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there: a first start.
    #[error("there is none yet")]
    Missing,
    /// A directory, a device, a pipe.
    #[error("it is no regular file")]
    Special,
    /// More than any cluster needs.
    #[error("it is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// The system refuses.
    #[error("it cannot be opened or read")]
    Refused(#[source] io::Error),
    /// It is not what we write.
    #[error(transparent)]
    Bad(#[from] SavedError),
}

impl SnapshotFile {
    /// The file at this path, whether or not it is there yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what was kept.
    pub fn read(&self) -> Result<Saved, ReadError> {
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => ReadError::Missing,
            _ => ReadError::Refused(error),
        };
        let found = fs::metadata(&self.path).map_err(refused)?;
        if !found.is_file() {
            // Opening a pipe would wait for its writer.
            return Err(ReadError::Special);
        }
        if found.len() > FILE_BYTES_MAX {
            return Err(ReadError::TooLarge);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default());
        let file = File::open(&self.path).map_err(refused)?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(refused)?;
        Ok(decode_saved(&bytes)?)
    }

    /// Replaces what was kept. Whoever reads meanwhile, and whoever comes after a crash, finds the one or the other.
    pub fn write(&self, cluster: &Cluster, about: &About) -> io::Result<()> {
        let draft = self.draft()?;
        let written = write(&draft, cluster, about).and_then(|()| fs::rename(&draft, &self.path));
        if written.is_err() {
            // It may be what fills the disk.
            let _ = fs::remove_file(&draft);
            return written;
        }
        // Without this, a loss of power may bring the old file back: that is old data, not bad data.
        let _ = self.folder().and_then(|folder| File::open(folder)?.sync_all());
        Ok(())
    }

    fn folder(&self) -> io::Result<&Path> {
        let folder = self.path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
        Ok(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    }

    /// Where it is written: in the same directory, so that it can be moved in one step.
    fn draft(&self) -> io::Result<PathBuf> {
        let name = self.path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut draft = std::ffi::OsString::from(".");
        draft.push(name);
        draft.push(".new");
        Ok(self.folder()?.join(draft))
    }
}

fn write(path: &Path, cluster: &Cluster, about: &About) -> io::Result<()> {
    match fs::remove_file(path) {
        // Left behind by a process that was killed.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // New, so that neither a link nor somebody else's file is written to.
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    encode(cluster, about, &mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn written_as_a_whole_for_us_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = SnapshotFile::at(folder.path().join("cluster.json"));
        assert!(matches!(file.read(), Err(ReadError::Missing)));
        // A draft that a killed process left, here even a link to something precious.
        let precious = folder.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, file.draft().unwrap()).unwrap();
        for serial in [1, 2] {
            let about = About { serial, ..About::default() };
            file.write(&Cluster::default(), &about).unwrap();
            assert_eq!(file.read().unwrap().about, about);
            assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, MODE);
        }
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no draft stays");
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = SnapshotFile::at(folder.path().join("cluster.json"));
        file.write(&Cluster::default(), &About::default()).unwrap();
        // Where the draft would be written is a directory with something in it.
        let draft = file.draft().unwrap();
        fs::create_dir_all(draft.join("x")).unwrap();
        assert!(file.write(&Cluster::default(), &About { serial: 9, ..About::default() }).is_err());
        assert_eq!(file.read().unwrap().about, About::default());
        assert!(
            SnapshotFile::at("/nonexistent/cluster.json")
                .write(&Cluster::default(), &About::default())
                .is_err()
        );
        assert!(SnapshotFile::at("/").write(&Cluster::default(), &About::default()).is_err());
    }

    #[test]
    fn what_is_no_file_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(SnapshotFile::at(folder.path()).read(), Err(ReadError::Special)));
        assert!(matches!(SnapshotFile::at("/dev/zero").read(), Err(ReadError::Special)));
        let file = SnapshotFile::at(folder.path().join("huge"));
        File::create(file.path()).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(matches!(file.read(), Err(ReadError::TooLarge)));
        fs::write(file.path(), "{}").unwrap();
        assert!(matches!(file.read(), Err(ReadError::Bad(SavedError::Foreign))));
    }
}
