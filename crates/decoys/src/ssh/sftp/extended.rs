//! The extensions of OpenSSH's sftp server.

use super::{Answer, EXTENSIONS, Handle, MOST_HANDLES, MOST_MESSAGE, MOST_READ, Sftp, handle, list, list::Attributes, name, noted, status};
use crate::{
    shell::{Console, Who},
    ssh::{
        message::{Malformed, Reader, Writer},
        program::Desk,
        transfer::{join, names},
    },
};

impl Sftp {
    pub(super) fn extended(&mut self, id: u32, mut r: Reader<'_>, desk: &mut Desk<'_>) -> Result<Answer, Malformed> {
        let name_asked = r.string()?;
        let known = EXTENSIONS.iter().any(|(n, _, since)| n.as_bytes() == name_asked && self.version >= *since);
        if !known {
            return Ok(Answer::Status(status::UNSUPPORTED));
        }
        let now = desk.now();
        Ok(match name_asked {
            b"posix-rename@openssh.com" => {
                let (from, to) = (self.place.absolute(r.string()?), self.place.absolute(r.string()?));
                noted("rename", &from, desk);
                self.settle(desk);
                self.place.fs.rename(&self.place.who, &from, &to, now).into()
            }
            b"statvfs@openssh.com" => {
                let path = self.place.absolute(r.string()?);
                match self.place.fs.stat(&self.place.who, &path) {
                    Ok(_) => Answer::Message(list::disk(id, &self.place)),
                    Err(errno) => errno.into(),
                }
            }
            b"fstatvfs@openssh.com" => match self.path_of(handle(r.string()?)) {
                Some(_) => Answer::Message(list::disk(id, &self.place)),
                None => Answer::Status(status::FAILURE),
            },
            b"hardlink@openssh.com" => {
                let (from, to) = (self.place.absolute(r.string()?), self.place.absolute(r.string()?));
                self.settle(desk);
                self.place.fs.link(&self.place.who, &from, &to, now).into()
            }
            b"fsync@openssh.com" => match handle(r.string()?).and_then(|h| self.handles.get_mut(&h)) {
                Some(Handle::Write { draft, .. }) => draft.flush(&self.place, now).into(),
                Some(Handle::Read { .. }) => Answer::Status(status::OK),
                _ => Answer::Status(status::NO_SUCH_FILE),
            },
            b"lsetstat@openssh.com" => {
                let path = self.place.absolute(r.string()?);
                let a = Attributes::read(&mut r)?;
                if a.size.is_some() {
                    return Ok(Answer::Status(status::BAD_MESSAGE));
                }
                self.settle(desk);
                self.change(&path, &a, false, desk)
            }
            b"limits@openssh.com" => {
                let most = |n: usize| n as u64;
                Answer::Message(
                    Writer::message(201)
                        .u32(id)
                        .u64(most(MOST_MESSAGE))
                        .u64(most(MOST_READ))
                        .u64(most(MOST_READ))
                        .u64(most(MOST_HANDLES))
                        .0,
                )
            }
            b"expand-path@openssh.com" => {
                let path = r.string()?;
                match self.expand(path) {
                    Some(path) => self.realpath(id, &path),
                    None => {
                        let w = Writer::message(101).u32(id).u32(status::NO_SUCH_FILE);
                        Answer::Message(w.string(b"no such user").string(b"").0)
                    }
                }
            }
            // Whoever is asked for, the product answers with the home of the session's own user.
            b"home-directory" => match self.home_of(r.string()?) {
                Some(_) => name(id, &self.place.home),
                None => Answer::Status(status::FAILURE),
            },
            b"copy-data" => {
                let (from, at, length) = (handle(r.string()?), r.u64()?, r.u64()?);
                let (to, offset) = (handle(r.string()?), r.u64()?);
                self.copy(from, at, length, to, offset)
            }
            _ => {
                let (users, groups) = (r.string()?, r.string()?);
                let list = |ids: &[u8], file: &[u8]| {
                    let known = names(&self.place.fs, file);
                    ids.chunks_exact(4).fold(Writer::new(), |w, id| {
                        let id = u32::from_be_bytes(id.try_into().unwrap_or_default());
                        let line = known.iter().find(|(n, _)| *n == id).map(|(_, line)| line.as_slice()).unwrap_or_default();
                        w.string(line.split(|&b| b == b':').next().unwrap_or_default())
                    })
                };
                let (users, groups) = (list(users, b"/etc/passwd"), list(groups, b"/etc/group"));
                Answer::Message(Writer::message(201).u32(id).string(&users.0).string(&groups.0).0)
            }
        })
    }

    /// `~`, `~user` and relative paths.
    fn expand(&self, path: &[u8]) -> Option<Vec<u8>> {
        let Some(rest) = path.strip_prefix(b"~") else { return Some(self.place.absolute(path)) };
        let cut = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
        let (user, tail) = rest.split_at_checked(cut)?;
        let home = if user.is_empty() { self.place.home.clone() } else { self.home_of(user)? };
        let tail = tail.strip_prefix(b"/").unwrap_or(tail);
        Some(if tail.is_empty() { home } else { join(&home, tail) })
    }

    fn home_of(&self, user: &[u8]) -> Option<Vec<u8>> {
        let all = names(&self.place.fs, b"/etc/passwd");
        let line = all.iter().map(|(_, line)| line).find(|line| line.split(|&b| b == b':').next() == Some(user))?;
        line.split(|&b| b == b':').nth(5).map(<[u8]>::to_vec)
    }

    fn copy(&mut self, from: Option<u32>, at: u64, length: u64, to: Option<u32>, offset: u64) -> Answer {
        if from == to {
            return Answer::Status(status::FAILURE);
        }
        let most = if length == 0 { usize::MAX } else { usize::try_from(length).unwrap_or(usize::MAX) };
        let data = match from.and_then(|h| self.handles.get(&h)) {
            Some(Handle::Read { path }) => match self.place.fs.read_at(&Who::root(), path, at, most) {
                Ok(bytes) => bytes.to_vec(),
                Err(errno) => return errno.into(),
            },
            Some(Handle::Write { draft, read: true, .. }) => draft.read(at, most).to_vec(),
            _ => return Answer::Status(status::FAILURE),
        };
        match to.and_then(|h| self.handles.get_mut(&h)) {
            Some(Handle::Write { draft, .. }) => draft.write(&mut self.place, offset, &data).into(),
            _ => Answer::Status(status::FAILURE),
        }
    }
}
