//! The very first programs.

use crate::shell::proc::Proc;

/// `cat`.
pub(crate) async fn cat(p: &mut Proc) -> i32 {
    let files: Vec<Vec<u8>> = p.args.iter().skip(1).filter(|a| !a.starts_with(b"-") || a.as_slice() == b"-").cloned().collect();
    let files = if files.is_empty() { vec![b"-".to_vec()] } else { files };
    let mut status = 0;
    for file in files {
        if file != b"-"
            && let Err(e) = p.reopen(&file)
        {
            let name = String::from_utf8_lossy(&file).into_owned();
            p.warn(format!("{name}: {e}")).await;
            status = 1;
            continue;
        }
        loop {
            let part = p.chunk().await;
            if part.is_empty() {
                break;
            }
            p.out(part);
            if p.flush().await.is_err() {
                return 141;
            }
        }
    }
    status
}

/// `uname`.
pub(crate) async fn uname(p: &mut Proc) -> i32 {
    let d = p.fs().persona().distro.clone();
    let line = format!("Linux {}\n", d.kernel_release);
    p.out(line);
    0
}
