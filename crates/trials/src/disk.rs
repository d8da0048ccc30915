//! A small disk of its own, to be filled.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// A file system of a few megabytes in memory. Outlives nothing: gone when dropped.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
}

impl Disk {
    /// Makes one. `None`: this user may not mount.
    pub fn new(mebibytes: u32) -> Option<Self> {
        let dir = tempfile::Builder::new().prefix(&format!("decnet-disk-{}-", std::process::id())).tempdir().unwrap().keep();
        let options = format!("size={mebibytes}m,mode=0755");
        if mount(Some("tmpfs"), &dir, Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).is_err() {
            let _gone = fs::remove_dir(&dir);
            return None;
        }
        Some(Self { dir })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Fills all that is free but `leave` bytes.
    pub fn fill(&self, leave: usize) {
        let mut ballast = File::options().create(true).append(true).open(self.dir.join("ballast")).unwrap();
        let block = vec![0_u8; 64 * 1024];
        while ballast.write_all(&block).is_ok() {}
        while ballast.write_all(&[0; 512]).is_ok() {}
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.saturating_sub(leave as u64)).unwrap();
    }

    /// Takes the filling out again.
    pub fn free(&self) {
        fs::remove_file(self.dir.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone = umount2(&self.dir, MntFlags::MNT_DETACH);
        let _gone = fs::remove_dir(&self.dir);
    }
}
