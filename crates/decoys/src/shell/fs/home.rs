//! Homes: dot files and the things people leave lying about.

use model::Persona;

use super::{image::Furnish, skeleton::Family};

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
        let rc = if family == Family::Rhel {
            "# .bashrc\n\nif [ -f /etc/bashrc ]; then\n\t. /etc/bashrc\nfi\n"
        } else {
            "case $- in\n    *i*) ;;\n      *) return;;\nesac\n\nHISTCONTROL=ignoreboth\nHISTSIZE=1000\nHISTFILESIZE=2000\n\nalias ll='ls -l'\n"
        };
        f.file(
            &format!("{home}/.bashrc"),
            0o644,
            own,
            made,
            if a.uid == 0 && family != Family::Rhel { "# ~/.bashrc: run by bash for shells that are not login shells\n" } else { rc },
        );
        f.file(
            &format!("{home}/.profile"),
            0o644,
            own,
            made,
            "if [ \"$BASH\" ]; then\n  if [ -f ~/.bashrc ]; then\n    . ~/.bashrc\n  fi\nfi\n\nmesg n 2> /dev/null || true\n",
        );
        if a.uid != 0 {
            f.file(
                &format!("{home}/.bash_logout"),
                0o644,
                own,
                made,
                "if [ \"$SHLVL\" = 1 ]; then\n    [ -x /usr/bin/clear_console ] && /usr/bin/clear_console -q\nfi\n",
            );
        }
    }
}
