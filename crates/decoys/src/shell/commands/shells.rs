//! `sh`, `bash`, `dash`, `ash`: shells started as programs, and the login shell itself.

use model::{Captured, Saw};

use crate::shell::{
    Errno,
    edit::{self, Typed},
    interp::{Flavor, Flow, Sh},
    kernel::{self, Signal},
    proc::{How, Proc, absolute, open},
    syntax::{Flaw, Parser},
};

/// `bash`, `sh`, `dash`, `rbash`, `ash` as programs.
pub(crate) async fn main(p: &mut Proc) -> i32 {
    let name = p.name();
    let debian = p.fs().persona().distro.id.as_str() != "alpine";
    let flavor = match name.trim_start_matches('-') {
        "sh" if debian && matches!(p.fs().persona().distro.id.as_str(), "debian" | "ubuntu") => Flavor::Dash,
        "dash" => Flavor::Dash,
        "ash" => Flavor::Ash,
        "sh" if !debian => Flavor::Ash,
        _ => Flavor::Bash,
    };
    as_flavor(p, flavor).await
}

/// A shell of a flavour with the arguments of `p`.
pub(crate) async fn as_flavor(p: &mut Proc, flavor: Flavor) -> i32 {
    let mut sh = Sh::of(p, flavor);
    let mut command: Option<Vec<u8>> = None;
    let (mut interactive, mut from_stdin, mut want_command) = (false, false, false);
    let mut args: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
    let mut posix_script = None;
    while let Some(arg) = args.first().cloned() {
        match arg.as_slice() {
            b"--version" if flavor == Flavor::Bash => {
                let (version, _) = crate::shell::interp::bash_version(&p.fs().persona().distro.id, &p.fs().persona().distro.version_id);
                p.out(format!("GNU bash, version {version} (x86_64-pc-linux-gnu)\nCopyright (C) 2022 Free Software Foundation, Inc.\nLicense GPLv3+: GNU GPL version 3 or later <http://gnu.org/licenses/gpl.html>\n\nThis is free software; you are free to change and redistribute it.\nThere is NO WARRANTY, to the extent permitted by law.\n"));
                return 0;
            }
            b"--login" => sh.login = true,
            b"--posix" | b"--norc" | b"--noprofile" | b"--noediting" | b"--restricted" | b"--verbose" if flavor == Flavor::Bash => {}
            b"--rcfile" | b"--init-file" if flavor == Flavor::Bash => {
                args.remove(0);
            }
            b"--" | b"-" => {
                args.remove(0);
                break;
            }
            b"-o" | b"+o" | b"-O" | b"+O" => {
                args.remove(0);
                if let Some(name) = args.first() {
                    if name == b"pipefail" {
                        sh.opts.pipefail = true;
                    } else if name == b"errexit" {
                        sh.opts.errexit = true;
                    }
                }
            }
            [b'-', b'-', ..] => {
                let shown = String::from_utf8_lossy(&arg).into_owned();
                let text = if flavor == Flavor::Bash {
                    format!("{}: {shown}: invalid option\n", p.called())
                } else {
                    format!("{}: 0: Illegal option {shown}\n", p.called())
                };
                p.err(text).await;
                return 2;
            }
            [b'-', flags @ ..] => {
                for f in flags {
                    match f {
                        b'c' => want_command = true,
                        b'i' => interactive = true,
                        b's' => from_stdin = true,
                        b'l' => sh.login = true,
                        b'e' => sh.opts.errexit = true,
                        b'x' => sh.opts.xtrace = true,
                        b'u' => sh.opts.nounset = true,
                        b'f' => sh.opts.noglob = true,
                        b'n' => sh.opts.noexec = true,
                        b'v' => sh.opts.verbose = true,
                        b'C' => sh.opts.noclobber = true,
                        b'a' => sh.opts.allexport = true,
                        _ => {}
                    }
                }
            }
            _ => break,
        }
        if !args.is_empty() {
            args.remove(0);
        }
    }
    if want_command {
        if args.is_empty() {
            p.err(format!("{}: -c: option requires an argument\n", p.called())).await;
            return 2;
        }
        command = Some(args.remove(0));
        if !args.is_empty() {
            sh.arg0 = args.remove(0);
        }
        sh.params = args;
    } else if from_stdin || args.is_empty() {
        sh.params = args;
    } else {
        let file = args.remove(0);
        sh.params = args;
        posix_script = Some(file);
    }
    if let Some(text) = command {
        sh.from_c = true;
        return run_script(&mut sh, &text).await;
    }
    if let Some(file) = posix_script {
        let mut path = absolute(&p.cwd, &file);
        if !file.contains(&b'/')
            && p.fs().stat(&p.who, &path).is_err()
            && let Ok(found) = crate::shell::interp::run::find(&sh, &file)
        {
            path = found;
        }
        let name = String::from_utf8_lossy(&file).into_owned();
        let text = match open(&p.k, &p.fds, &p.who, &path, How::Read, 0) {
            Ok(_) if p.fs().stat(&p.who, &path).is_ok_and(|m| m.is_dir()) => Err(Errno::EISDIR),
            Ok(fd) => {
                let mut out = Vec::new();
                while out.len() < 4 << 20 {
                    match fd.read(&p.k, 65_536).await {
                        Ok(part) if !part.is_empty() => out.extend(part),
                        _ => break,
                    }
                }
                Ok(out)
            }
            Err(e) => Err(e),
        };
        let text = match text {
            Ok(text) => text,
            Err(e) => {
                let called = p.called();
                let line = match flavor {
                    Flavor::Bash if e == Errno::EISDIR => format!("{name}: {name}: Is a directory\n"),
                    Flavor::Bash => format!("{called}: {name}: {e}\n"),
                    Flavor::Dash => format!(
                        "{called}: 0: cannot open {name}: {}\n",
                        if e == Errno::ENOENT { "No such file".to_owned() } else { e.to_string() }
                    ),
                    Flavor::Ash => format!("{called}: can't open '{name}': {e}\n"),
                };
                p.err(line).await;
                return if flavor == Flavor::Dash || flavor == Flavor::Ash {
                    2
                } else if e == Errno::ENOENT {
                    127
                } else {
                    126
                };
            }
        };
        if text.starts_with(b"\x7fELF") || text.iter().take(80).take_while(|&&b| b != b'\n').any(|&b| b == 0) {
            p.err(format!("{name}: {name}: cannot execute binary file\n")).await;
            return 126;
        }
        sh.arg0 = file;
        return run_script(&mut sh, &text).await;
    }
    sh.interactive = interactive || (p.tty(0) && p.tty(2));
    if sh.interactive && p.k.has_tty {
        sh.opts.monitor = true;
        if flavor == Flavor::Bash {
            sh.shopts.insert("expand_aliases".into());
            interactive_setup(&mut sh, false).await;
        } else {
            let mark = if sh.who.uid == 0 { "# " } else { "$ " };
            let ps1 = if flavor == Flavor::Ash { "\\w ".to_owned() + mark } else { mark.to_owned() };
            sh.preset(b"PS1", ps1.as_bytes(), false);
            sh.preset(b"PS2", b"> ", false);
        }
        return interact(&mut sh).await;
    }
    from_input(&mut sh, false).await
}

/// Runs a whole text as a script and gives its status.
pub(crate) async fn run_script(sh: &mut Sh, text: &[u8]) -> i32 {
    let mut parser = Parser::new(text.to_vec(), 1);
    sh.script(&mut parser).await;
    sh.exit_trap().await;
    sh.last
}

/// Commands from standard input of a shell that nobody types at.
pub(crate) async fn from_input(sh: &mut Sh, note: bool) -> i32 {
    let mut pending: Vec<u8> = Vec::new();
    let mut line_no = 1u32;
    loop {
        let Some(line) = read_line(sh).await else { break };
        let end = !line.ends_with(b"\n");
        if note {
            note_line(sh, &line);
        }
        pending.extend_from_slice(&line);
        if pending.len() > 1 << 20 {
            break;
        }
        if !run_pending(sh, &mut pending, &mut line_no, end, false).await {
            sh.exit_trap().await;
            return sh.last;
        }
        sh.k.keep_dirty();
    }
    if !pending.is_empty() {
        run_pending(sh, &mut pending, &mut line_no, true, false).await;
    }
    sh.exit_trap().await;
    sh.k.keep_dirty();
    sh.last
}

/// Runs what was read if it is complete; `false`: the shell is to exit.
async fn run_pending(sh: &mut Sh, pending: &mut Vec<u8>, line_no: &mut u32, end: bool, aliases: bool) -> bool {
    let table = sh.aliases.clone();
    let mut parser = Parser::new(pending.clone(), *line_no);
    if aliases {
        parser = parser.with_aliases(&table);
    }
    loop {
        match parser.next_line() {
            Ok(None) => break,
            Ok(Some(list)) => {
                if parser.here_open.is_some() && !end {
                    return true;
                }
                let flow = sh.list(&list).await;
                if flow == Flow::Exit {
                    return false;
                }
            }
            Err(Flaw::Incomplete(..)) if !end => return true,
            Err(flaw) => {
                sh.say_flaw(&parser, flaw, *line_no).await;
                pending.clear();
                if !sh.interactive {
                    return false;
                }
                return true;
            }
        }
    }
    *line_no = parser.line();
    pending.clear();
    true
}

async fn read_line(sh: &Sh) -> Option<Vec<u8>> {
    let fd = sh.fds.get(&0).cloned()?;
    let mut line = Vec::new();
    loop {
        let part = fd.read(&sh.k, 1).await.ok()?;
        match part.first() {
            None => return (!line.is_empty()).then_some(line),
            Some(&b) => {
                line.push(b);
                if b == b'\n' || line.len() > 1 << 20 {
                    return Some(line);
                }
            }
        }
    }
}

/// Notes a line that was entered.
pub(crate) fn note_line(sh: &Sh, line: &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if line.trim_ascii().is_empty() {
        return;
    }
    let user = crate::shell::interp::run::account_of(&sh.k, sh.who.uid).map(|a| a.name);
    let cut = line.get(..65_536).unwrap_or(line);
    sh.k.note(Saw::Command { line: Captured::copy(cut), user, cwd: Some(String::from_utf8_lossy(&sh.cwd).into_owned()) });
}

/// Prompts and start-up of an interactive bash.
pub(crate) async fn interactive_setup(sh: &mut Sh, login: bool) {
    let debian = matches!(sh.k.fs.persona().distro.id.as_str(), "debian" | "ubuntu");
    sh.preset(b"PS2", b"> ", false);
    sh.preset(b"PS1", if debian { b"\\u@\\h:\\w\\$ " } else { b"[\\u@\\h \\W]\\$ " }, false);
    let home = sh.vars.str(b"HOME").unwrap_or(b"/").to_vec();
    sh.preset(b"HISTFILE", &[home.as_slice(), b"/.bash_history"].concat(), false);
    sh.preset(b"HISTSIZE", if debian && sh.who.uid != 0 { b"1000" } else { b"500" }, false);
    sh.preset(b"HISTFILESIZE", if debian && sh.who.uid != 0 { b"2000" } else { b"500" }, false);
    if debian && sh.who.uid != 0 {
        sh.preset(b"HISTCONTROL", b"ignoreboth", false);
        for (name, value) in
            [("ls", "ls --color=auto"), ("grep", "grep --color=auto"), ("fgrep", "fgrep --color=auto"), ("egrep", "egrep --color=auto")]
        {
            sh.aliases.insert(name.into(), value.into());
        }
        let color = sh.vars.str(b"TERM").is_some_and(|t| t.starts_with(b"xterm-color") || t.ends_with(b"-256color"));
        if color {
            sh.preset(
                b"PS1",
                b"\\[\\e]0;\\u@\\h: \\w\\a\\]\\[\\033[01;32m\\]\\u@\\h\\[\\033[00m\\]:\\[\\033[01;34m\\]\\w\\[\\033[00m\\]\\$ ",
                false,
            );
        } else if sh.vars.str(b"TERM").is_some_and(|t| t.starts_with(b"xterm") || t.starts_with(b"rxvt")) {
            sh.preset(b"PS1", b"\\[\\e]0;\\u@\\h: \\w\\a\\]\\u@\\h:\\w\\$ ", false);
        }
    } else if !debian {
        sh.aliases.insert(b"ll".to_vec(), b"ls -l --color=auto".to_vec());
        sh.aliases.insert(b"ls".to_vec(), b"ls --color=auto".to_vec());
    }
    let path = [home.as_slice(), b"/.bash_history"].concat();
    if let Ok(text) = sh.k.fs.read(&sh.who, &path) {
        sh.history = text.split(|&b| b == b'\n').filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect();
        let excess = sh.history.len().saturating_sub(1000);
        sh.history.drain(..excess);
    }
    // What the attacker left in the start-up files counts.
    for file in if login { vec![".bash_profile", ".profile", ".bashrc"] } else { vec![".bashrc"] } {
        let path = [home.as_slice(), b"/", file.as_bytes()].concat();
        if sh.k.fs.was_changed(&path)
            && let Ok(text) = sh.k.fs.read(&sh.who, &path)
        {
            sh.eval_text(&text, 1).await;
        }
    }
}

/// Reads lines at a terminal and runs them until the end.
pub(crate) async fn interact(sh: &mut Sh) -> i32 {
    let base = sh.fds.clone();
    loop {
        let done = sh.jobs.reap();
        if !done.is_empty() {
            let _ = sh.write(2, &done).await;
        }
        sh.k.keep_dirty();
        if let Some(cmd) = sh.vars.str(b"PROMPT_COMMAND").map(<[u8]>::to_vec)
            && !cmd.is_empty()
        {
            let status = sh.last;
            sh.eval_text(&cmd, 1).await;
            sh.last = status;
        }
        let mut text: Vec<u8> = Vec::new();
        let mut first = true;
        let parsed = loop {
            let prompt = if sh.flavor == Flavor::Bash || sh.flavor == Flavor::Ash {
                sh.full_prompt(if first { b"PS1" } else { b"PS2" }).await
            } else {
                sh.vars.str(if first { b"PS1" } else { b"PS2" }).unwrap_or_default().to_vec()
            };
            match edit::line(sh, &prompt).await {
                Typed::Eof if first => {
                    let word: &[u8] = match (sh.login, sh.flavor) {
                        (_, Flavor::Dash | Flavor::Ash) => b"\n",
                        (true, _) => b"logout\n",
                        (false, _) => b"exit\n",
                    };
                    sh.k.print(word);
                    finish(sh).await;
                    return sh.last;
                }
                Typed::Eof => {
                    let parser = Parser::new(text.clone(), 1);
                    sh.say_flaw(&parser, Flaw::Incomplete(0, 1), 1).await;
                    break false;
                }
                Typed::Interrupt => {
                    sh.last = 130;
                    text.clear();
                    break false;
                }
                Typed::Hangup => {
                    finish(sh).await;
                    return sh.last;
                }
                Typed::Line(line) => {
                    let line = if sh.flavor == Flavor::Bash { expand_history(sh, line).await } else { Some(line) };
                    let Some(line) = line else { break false };
                    text.extend_from_slice(&line);
                    text.push(b'\n');
                    let table = sh.aliases.clone();
                    let mut parser = Parser::new(text.clone(), 1).with_aliases(&table);
                    match parser.all() {
                        Err(Flaw::Incomplete(..)) => {}
                        Ok(_) if parser.here_open.is_some() => {}
                        _ => break true,
                    }
                    if text.len() > 1 << 20 {
                        break false;
                    }
                    first = false;
                }
            }
        };
        let whole = text.strip_suffix(b"\n").unwrap_or(&text).to_vec();
        if whole.trim_ascii().is_empty() {
            continue;
        }
        note_line(sh, &whole);
        remember(sh, &whole);
        if !parsed {
            continue;
        }
        sh.k.set_modes(kernel::COOKED);
        let k = std::sync::Arc::clone(&sh.k);
        let mut pending = text;
        let mut line_no = 1;
        let result = k.unless_interrupted(Box::pin(run_pending(sh, &mut pending, &mut line_no, true, true))).await;
        k.set_modes(kernel::COOKED);
        match result {
            Ok(true) => {}
            Ok(false) => {
                finish(sh).await;
                return sh.last;
            }
            Err(Signal::Hangup) => {
                finish(sh).await;
                return 129;
            }
            Err(signal) => {
                sh.depth = 0;
                sh.loops = 0;
                sh.lenient = 0;
                sh.sourced = 0;
                sh.functions.clear();
                while sh.vars.scopes() > 0 {
                    sh.vars.pop_scope();
                }
                if signal == Signal::Stop {
                    sh.last = 148;
                    let ended = crate::shell::interp::jobs::Ended::default();
                    let pid = sh.k.fs.live.lock().fresh_pid();
                    sh.jobs.add(pid, whole.clone(), ended);
                    if let Some(job) = sh.jobs.list.last_mut() {
                        job.stopped = true;
                    }
                    let line = sh.jobs.list.last().map(|j| sh.jobs.line(j, false)).unwrap_or_default();
                    sh.k.print(b"\n");
                    sh.k.print(&line);
                } else {
                    sh.last = 130;
                    sh.k.print(b"\n");
                }
            }
        }
        // `exec > file` stays; descriptors that a command was given do not.
        if !sh.fds.contains_key(&0) && !base.contains_key(&0) {
            return sh.last;
        }
    }
}

fn remember(sh: &mut Sh, line: &[u8]) {
    let control = sh.vars.str(b"HISTCONTROL").unwrap_or_default();
    let ignore_space = control.windows(11).any(|w| w == b"ignorespace") || control.windows(10).any(|w| w == b"ignoreboth");
    let ignore_dups = control.windows(10).any(|w| w == b"ignoredups" || w == b"ignoreboth");
    if (ignore_space && line.starts_with(b" ")) || (ignore_dups && sh.history.last().is_some_and(|l| l == line)) {
        return;
    }
    if sh.vars.get(b"HISTFILE").is_none() && sh.vars.str(b"HISTSIZE") == Some(b"0") {
        return;
    }
    // A command over several lines is one entry.
    sh.history.push(line.iter().map(|&b| if b == b'\n' { b';' } else { b }).collect());
    let most = sh.vars.str(b"HISTSIZE").and_then(|v| std::str::from_utf8(v).ok()?.parse().ok()).unwrap_or(500usize).min(5000);
    if sh.history.len() > most {
        sh.history.remove(0);
    }
}

/// `!!`, `!n`, `!-n`, `!text`, `!$`.
async fn expand_history(sh: &mut Sh, line: Vec<u8>) -> Option<Vec<u8>> {
    if !line.contains(&b'!') {
        return Some(line);
    }
    let mut out = Vec::with_capacity(line.len());
    let mut at = 0;
    let mut single = false;
    let mut changed = false;
    while let Some(&b) = line.get(at) {
        if b == b'\'' {
            single = !single;
        }
        if b == b'\\' {
            out.push(b);
            at += 1;
            if let Some(&n) = line.get(at) {
                out.push(n);
                at += 1;
            }
            continue;
        }
        let next = line.get(at + 1).copied();
        if b != b'!'
            || single
            || next.is_none_or(|n| matches!(n, b' ' | b'\t' | b'=' | b'(' | b'"' | b'\n'))
            || out.ends_with(b"$")
            || out.ends_with(b"[")
            || out.ends_with(b"{")
        {
            out.push(b);
            at += 1;
            continue;
        }
        at += 1;
        let rest = line.get(at..).unwrap_or_default();
        let (event, len): (Option<Vec<u8>>, usize) = match next {
            Some(b'!') => (sh.history.last().cloned(), 1),
            Some(b'$') => {
                (sh.history.last().and_then(|l| l.split(|b| b.is_ascii_whitespace()).rfind(|w| !w.is_empty()).map(<[u8]>::to_vec)), 1)
            }
            Some(c) if c == b'-' || c.is_ascii_digit() => {
                let digits = rest.iter().skip(usize::from(c == b'-')).take_while(|d| d.is_ascii_digit()).count();
                let len = digits + usize::from(c == b'-');
                let n: i64 = rest.get(..len).and_then(|t| std::str::from_utf8(t).ok()?.parse().ok()).unwrap_or(0);
                let index = if n < 0 { i64::try_from(sh.history.len()).unwrap_or(0) + n } else { n - 1 };
                (usize::try_from(index).ok().and_then(|i| sh.history.get(i).cloned()), len)
            }
            _ => {
                let len = rest.iter().take_while(|b| !matches!(b, b' ' | b'\t' | b';' | b'&' | b'|' | b'"')).count();
                let text = rest.get(..len).unwrap_or_default();
                (sh.history.iter().rev().find(|l| l.starts_with(text)).cloned(), len)
            }
        };
        match event {
            Some(text) => {
                out.extend_from_slice(&text);
                changed = true;
            }
            None => {
                let shown = String::from_utf8_lossy(rest.get(..len).unwrap_or_default()).into_owned();
                sh.warn(format!("!{shown}: event not found")).await;
                return None;
            }
        }
        at += len;
    }
    if changed {
        sh.k.print(&[out.as_slice(), b"\n"].concat());
    }
    Some(out)
}

async fn finish(sh: &mut Sh) {
    sh.exit_trap().await;
    if sh.flavor == Flavor::Bash {
        sh.save_history();
    }
    sh.k.keep_dirty();
}
