//! Homes: dot files and the things people leave lying about.

use model::Persona;

use super::{dotfiles, image::Furnish, skeleton::Family};

/// Puts root's and the users' homes into the image.
pub(crate) fn furnish(f: &mut Furnish<'_>, p: &Persona, family: Family, made: i64, boot: i64) {
    let _ = boot;
    for a in &p.accounts {
        let own = (a.uid, a.gid);
        let mode = if a.uid == 0 {
            0o700
        } else if family == Family::Ubuntu {
            0o750
        } else {
            0o755
        };
        f.dir(&a.home, mode, own, made + 4000);
        if family == Family::Alpine {
            continue;
        }
        let home = a.home.trim_end_matches('/');
        for (name, text) in dotfiles::of(family, a.uid == 0) {
            f.file(&format!("{home}/{name}"), 0o644, own, made, text);
        }
    }
}
