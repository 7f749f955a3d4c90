//! Bundles as files: whole or not at all, for their owner's eyes only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{Bundle, BundleError};

/// Mode of a bundle: it holds addresses, names and rules of a cluster.
const MODE: u32 = 0o600;
/// Names that are tried for the temporary file; more than that many leftovers are a full directory.
const ATTEMPTS: u32 = 64;

pub(super) fn open(path: &Path) -> Result<File, BundleError> {
    File::open(path).map_err(|source| BundleError::Open { path: path.to_owned(), source })
}

pub(super) fn write_file(bundle: &Bundle, path: &Path) -> Result<(), BundleError> {
    let create = |source| BundleError::Create { path: path.to_owned(), source };
    let (temporary, file) = create_beside(path).map_err(create)?;
    let written = write_and_sync(bundle, file).and_then(|()| fs::rename(&temporary, path).map_err(create));
    if written.is_err() {
        // The write has failed already; what the removal says would hide that.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_and_sync(bundle: &Bundle, file: File) -> Result<(), BundleError> {
    let mut writer = BufWriter::new(file);
    bundle.write(&mut writer)?;
    writer.flush().and_then(|()| writer.get_ref().sync_all()).map_err(BundleError::Write)
}

/// A new file in the directory of `path`, so that it can be renamed to it.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for attempt in 0..ATTEMPTS {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{attempt}.part", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match OpenOptions::new().write(true).create_new(true).mode(MODE).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
