//! Running the tree: lists, pipelines, compound commands, redirections, functions.

use model::Saw;
use std::{collections::BTreeMap, sync::Arc};

use super::{Flavor, Flow, Sh, builtins, expand::Failed, glob, jobs, run, vars::Val};
use crate::shell::{
    Errno,
    kernel::{self, Boxed},
    proc::{self, Fd, Fds, How, absolute},
    syntax::{Arm, ArmEnd, Assign, Cmd, Compound, Flaw, Item, List, Parser, Pipe, Redir, RedirOp, Simple, Test, Value},
};

impl Sh {
    /// Runs commands in sequence.
    pub(crate) fn list<'a>(&'a mut self, list: &'a List) -> Boxed<'a, Flow> {
        Box::pin(async move {
            for item in list {
                let flow = self.item(item).await;
                if flow != Flow::Next {
                    return flow;
                }
            }
            Flow::Next
        })
    }

    async fn item(&mut self, item: &Arc<Item>) -> Flow {
        if self.opts.noexec {
            return Flow::Next;
        }
        if item.background {
            return self.background(item).await;
        }
        self.and_or(item).await
    }

    async fn and_or(&mut self, item: &Item) -> Flow {
        let last = item.rest.len();
        self.lenient += u32::from(last > 0);
        let mut flow = self.pipe(&item.first, &item.text).await;
        self.lenient -= u32::from(last > 0);
        for (n, (and, pipe)) in item.rest.iter().enumerate() {
            if flow != Flow::Next {
                return flow;
            }
            if *and == (self.last == 0) {
                let soft = u32::from(n + 1 < last);
                self.lenient += soft;
                flow = self.pipe(pipe, &item.text).await;
                self.lenient -= soft;
            }
        }
        flow
    }

    async fn background(&mut self, item: &Arc<Item>) -> Flow {
        self.k.pay(200).await;
        let too_many = {
            let mut s = self.k.state.lock();
            s.forks += 1;
            s.tasks.len() > 150
        };
        if too_many {
            // A fork bomb: the kernel refuses more processes.
            self.k.sleep(std::time::Duration::from_millis(600)).await;
            self.warn("fork: retry: Resource temporarily unavailable").await;
            self.k.sleep(std::time::Duration::from_secs(2)).await;
            self.last = 254;
            return if self.subshell > 0 { Flow::Exit } else { Flow::Next };
        }
        let mut sub = self.fork();
        sub.lenient = 0;
        let pid = sub.own_pid;
        if !self.opts.monitor {
            sub.fds.insert(0, Fd::Null);
        }
        let ended = jobs::Ended::default();
        let killed: Arc<parking_lot::Mutex<Option<i32>>> = Arc::default();
        let (task_end, task_item) = (Arc::clone(&ended), Arc::clone(item));
        let task_kill = Arc::clone(&killed);
        let text = item.text.to_vec();
        run::register(&self.k, pid, self.own_pid, &self.who, &self.cwd, &[b"-bash".to_vec()], &sub.fds, Some(Arc::clone(&killed)));
        self.k.spawn(Box::pin(async move {
            let k = Arc::clone(&sub.k);
            let work: Boxed<'_, i32> = Box::pin(async {
                let mut sub = sub;
                sub.and_or(&task_item).await;
                sub.exit_trap().await;
                sub.last
            });
            let status = run::unless_killed(&k, &task_kill, work).await;
            run::forget(&k, pid);
            *task_end.lock() = Some(status);
            k.moved();
        }));
        self.last_bg = Some(pid);
        let number = self.jobs.add(pid, text, ended);
        if self.interactive {
            let _ = self.write(2, format!("[{number}] {pid}\n").as_bytes()).await;
        }
        self.last = 0;
        Flow::Next
    }

    async fn pipe(&mut self, pipe: &Pipe, text: &Arc<[u8]>) -> Flow {
        let _ = text;
        let began = self.k.now();
        self.lenient += u32::from(pipe.bang);
        let flow = if let [cmd] = pipe.parts.as_slice() {
            let flow = self.command(cmd).await;
            self.statuses = vec![self.last];
            flow
        } else {
            self.pipeline(&pipe.parts).await;
            Flow::Next
        };
        self.lenient -= u32::from(pipe.bang);
        if pipe.bang {
            self.last = i32::from(self.last == 0);
        }
        if pipe.timed {
            let real = self.k.now().since(began).as_millis() + u128::from(self.k.random_u32() % 3) + 1;
            let portable = pipe.portable;
            let show = |ms: u128| format!("{}m{}.{:03}s", ms / 60_000, ms / 1000 % 60, ms % 1000);
            let text = format!("\nreal\t{}\nuser\t{}\nsys\t{}\n", show(real), show(u128::from(real > 1)), show(0));
            let text = if portable { format!("real {}.{:02}\nuser 0.00\nsys 0.00\n", real / 1000, real / 10 % 100) } else { text };
            let _ = self.write(2, text.as_bytes()).await;
        }
        if flow == Flow::Next && self.last != 0 && self.opts.errexit && self.lenient == 0 && !pipe.bang {
            let compound = matches!(pipe.parts.as_slice(), [Cmd::Compound(c, ..)] if !matches!(**c, Compound::Sub(_) | Compound::Cond(_) | Compound::Arith(_)));
            if !compound {
                return Flow::Exit;
            }
        }
        flow
    }

    async fn pipeline(&mut self, parts: &[Cmd]) {
        self.k.pay(10 * u32::try_from(parts.len()).unwrap_or(1)).await;
        if self.depth >= super::DEEPEST {
            self.warn("fork: retry: Resource temporarily unavailable").await;
            self.last = 254;
            return;
        }
        let mut stages: Vec<Boxed<'_, i32>> = Vec::with_capacity(parts.len());
        let mut input: Option<Fd> = None;
        for (n, cmd) in parts.iter().enumerate() {
            let mut sub = self.fork();
            sub.depth += 1;
            sub.interactive = false;
            sub.arg0.clone_from(&self.arg0);
            sub.errors_like(self);
            if let Some(fd) = input.take() {
                sub.fds.insert(0, fd);
            }
            if n + 1 < parts.len() {
                let (read, write) = kernel::pipe(&self.k);
                sub.fds.insert(1, Fd::Write(write));
                input = Some(Fd::Read(read));
            }
            stages.push(Box::pin(async move {
                sub.command(cmd).await;
                sub.exit_trap().await;
                sub.last
            }));
        }
        let statuses = kernel::Together::new(&self.k, stages).await;
        self.last = statuses.last().copied().unwrap_or(0);
        if self.opts.pipefail
            && let Some(bad) = statuses.iter().rev().find(|&&s| s != 0)
        {
            self.last = *bad;
        }
        self.statuses = statuses;
    }

    fn errors_like(&mut self, parent: &Self) {
        self.interactive = parent.interactive;
    }

    /// Runs one command.
    pub(crate) fn command<'a>(&'a mut self, cmd: &'a Cmd) -> Boxed<'a, Flow> {
        Box::pin(async move {
            self.k.pay(1).await;
            match cmd {
                Cmd::Simple(simple) => self.simple(simple).await,
                Cmd::Function(name, body) => {
                    self.funcs.insert(name.clone(), Arc::clone(body));
                    self.last = 0;
                    Flow::Next
                }
                Cmd::Compound(compound, redirs, line) => {
                    if self.depth >= super::DEEPEST {
                        self.warn("maximum nesting level exceeded").await;
                        self.last = 2;
                        return Flow::Exit;
                    }
                    self.line = *line;
                    self.depth += 1;
                    let flow = if redirs.is_empty() {
                        self.compound(compound).await
                    } else {
                        let saved = self.fds.clone();
                        let flow = match self.redirect(redirs).await {
                            Ok(()) => self.compound(compound).await,
                            Err(Failed) => {
                                self.last = 1;
                                Flow::Next
                            }
                        };
                        self.fds = saved;
                        flow
                    };
                    self.depth -= 1;
                    flow
                }
            }
        })
    }

    async fn compound(&mut self, compound: &Compound) -> Flow {
        match compound {
            Compound::Group(list) => self.list(list).await,
            Compound::Sub(list) => {
                self.k.pay(10).await;
                let mut sub = self.fork();
                let outer = (self.lenient, self.opts.errexit);
                sub.depth += 1;
                let flow = sub.list(list).await;
                let _ = flow;
                sub.exit_trap().await;
                self.last = sub.last;
                if self.last != 0 && outer.1 && outer.0 == 0 { Flow::Exit } else { Flow::Next }
            }
            Compound::If(arms, other) => {
                for (cond, body) in arms {
                    self.lenient += 1;
                    let flow = self.list(cond).await;
                    self.lenient -= 1;
                    if flow != Flow::Next {
                        return flow;
                    }
                    if self.last == 0 {
                        return self.list(body).await;
                    }
                }
                self.last = 0;
                match other {
                    Some(body) => self.list(body).await,
                    None => Flow::Next,
                }
            }
            Compound::While(until, cond, body) => {
                let mut status = 0;
                self.loops += 1;
                let flow = loop {
                    self.k.pay(2).await;
                    self.lenient += 1;
                    let flow = self.list(cond).await;
                    self.lenient -= 1;
                    if let Some(flow) = self.loop_flow(flow) {
                        if flow == Flow::Next && matches!(flow, Flow::Next) {
                            break Flow::Next;
                        }
                        break flow;
                    }
                    if (self.last == 0) == *until {
                        break Flow::Next;
                    }
                    let flow = self.list(body).await;
                    status = self.last;
                    if let Some(flow) = self.loop_flow(flow) {
                        break flow;
                    }
                };
                self.loops -= 1;
                if flow == Flow::Next {
                    self.last = status;
                }
                flow
            }
            Compound::For(name, words, body) => {
                let values = match words {
                    Some(words) => match self.expand_words(words).await {
                        Ok(values) => values,
                        Err(Failed) => return self.failed(),
                    },
                    None => self.params.clone(),
                };
                self.last = 0;
                self.loops += 1;
                let mut out = Flow::Next;
                for value in values {
                    self.k.pay(1).await;
                    if self.set_checked(name, &value).await.is_err() {
                        out = self.failed();
                        break;
                    }
                    let flow = self.list(body).await;
                    if let Some(flow) = self.loop_flow(flow) {
                        out = flow;
                        break;
                    }
                }
                self.loops -= 1;
                out
            }
            Compound::ForArith(init, cond, step, body) => {
                let step_of = |word| word;
                let Ok(text) = self.expand_one(init).await else { return self.failed() };
                if self.arith(&text).await.is_err() {
                    return Flow::Next;
                }
                self.last = 0;
                self.loops += 1;
                let mut out = Flow::Next;
                loop {
                    self.k.pay(2).await;
                    let Ok(text) = self.expand_one(cond).await else { break };
                    if !text.trim_ascii().is_empty() {
                        match self.arith(&text).await {
                            Ok(0) | Err(Failed) => break,
                            Ok(_) => {}
                        }
                    }
                    let flow = self.list(body).await;
                    if let Some(flow) = self.loop_flow(flow) {
                        out = flow;
                        break;
                    }
                    let Ok(text) = self.expand_one(step_of(step)).await else { break };
                    if self.arith(&text).await.is_err() {
                        break;
                    }
                }
                self.loops -= 1;
                out
            }
            Compound::Case(word, arms) => self.case(word, arms).await,
            Compound::Cond(test) => {
                self.last = match self.cond(test).await {
                    Ok(yes) => i32::from(!yes),
                    Err(status) => status,
                };
                Flow::Next
            }
            Compound::Arith(word) => {
                let Ok(text) = self.expand_one(word).await else { return self.failed() };
                self.last = match self.arith_command(&text).await {
                    Some(value) => i32::from(value == 0),
                    None => 1,
                };
                Flow::Next
            }
        }
    }

    async fn arith_command(&mut self, text: &[u8]) -> Option<i64> {
        match super::arith::eval(self, text) {
            Ok(value) => Some(value),
            Err(super::arith::Wrong(what)) => {
                self.warn(format!("((: {what}")).await;
                None
            }
        }
    }

    /// What a loop does with the flow of its body: `None` goes on.
    fn loop_flow(&mut self, flow: Flow) -> Option<Flow> {
        match flow {
            Flow::Next => None,
            Flow::Break(1) => Some(Flow::Next),
            Flow::Break(n) => Some(Flow::Break(n - 1)),
            Flow::Continue(1) => None,
            Flow::Continue(n) => Some(Flow::Continue(n - 1)),
            other => Some(other),
        }
    }

    /// After a failed expansion: a script of `sh` ends, `bash` gives up the line.
    fn failed(&mut self) -> Flow {
        if self.last == 0 {
            self.last = 1;
        }
        if self.dying || (self.flavor != Flavor::Bash && !self.interactive) { Flow::Exit } else { Flow::Abort }
    }

    async fn case(&mut self, word: &[crate::shell::syntax::Part], arms: &[Arm]) -> Flow {
        let Ok(value) = self.expand_one(word).await else { return self.failed() };
        self.last = 0;
        let mut fall = false;
        for arm in arms {
            let mut hit = fall;
            if !hit {
                for pattern in &arm.patterns {
                    let Ok(pattern) = self.expand_pattern(pattern).await else { return self.failed() };
                    if glob::matches(&pattern, &value) {
                        hit = true;
                        break;
                    }
                }
            }
            if !hit {
                continue;
            }
            let flow = self.list(&arm.body).await;
            if flow != Flow::Next {
                return flow;
            }
            match arm.end {
                ArmEnd::Break => return Flow::Next,
                ArmEnd::Fall => fall = true,
                ArmEnd::Next => fall = false,
            }
        }
        Flow::Next
    }

    fn cond<'a>(&'a mut self, test: &'a Test) -> Boxed<'a, Result<bool, i32>> {
        Box::pin(async move {
            match test {
                Test::Or(a, b) => Ok(self.cond(a).await? || self.cond(b).await?),
                Test::And(a, b) => Ok(self.cond(a).await? && self.cond(b).await?),
                Test::Not(a) => Ok(!self.cond(a).await?),
                Test::Word(w) => Ok(!self.expand_one(w).await.map_err(|_| 1)?.is_empty()),
                Test::Unary(op, w) => {
                    let value = self.expand_one(w).await.map_err(|_| 1)?;
                    self.unary_test(*op, &value).await.ok_or(2)
                }
                Test::Binary(op, a, b) => {
                    let left = self.expand_one(a).await.map_err(|_| 1)?;
                    match op.as_slice() {
                        b"=" | b"==" | b"!=" => {
                            let pattern = self.expand_pattern(b).await.map_err(|_| 1)?;
                            let same = if self.shopts.contains("nocasematch") {
                                glob::matches_fold(&pattern, &left)
                            } else {
                                glob::matches(&pattern, &left)
                            };
                            Ok(same == (op != b"!="))
                        }
                        b"=~" => {
                            let pattern = self.regex_of(b).await.map_err(|_| 1)?;
                            self.k.pay(5).await;
                            let Ok(re) = crate::shell::commands::regex::compile(
                                &pattern,
                                crate::shell::commands::regex::Kind::Extended,
                                self.shopts.contains("nocasematch"),
                            ) else {
                                return Err(2);
                            };
                            match re.captures(&left) {
                                Some(caps) => {
                                    let map: BTreeMap<i64, Vec<u8>> = caps
                                        .iter()
                                        .enumerate()
                                        .map(|(n, m)| (i64::try_from(n).unwrap_or(0), m.map(|m| m.as_bytes().to_vec()).unwrap_or_default()))
                                        .collect();
                                    let _ = self.vars.set_val(b"BASH_REMATCH", Val::Arr(map));
                                    Ok(true)
                                }
                                None => {
                                    let _ = self.vars.set_val(b"BASH_REMATCH", Val::Arr(BTreeMap::new()));
                                    Ok(false)
                                }
                            }
                        }
                        b"<" | b">" => {
                            let right = self.expand_one(b).await.map_err(|_| 1)?;
                            Ok(if op == b"<" { left < right } else { left > right })
                        }
                        b"-nt" | b"-ot" | b"-ef" => {
                            let right = self.expand_one(b).await.map_err(|_| 1)?;
                            Ok(self.file_compare(op, &left, &right))
                        }
                        _ => {
                            let right = self.expand_one(b).await.map_err(|_| 1)?;
                            let (l, r) = (self.cond_number(&left).await?, self.cond_number(&right).await?);
                            Ok(super::test::compare(op, l, r))
                        }
                    }
                }
            }
        })
    }

    async fn cond_number(&mut self, text: &[u8]) -> Result<i64, i32> {
        match super::arith::eval(self, text) {
            Ok(n) => Ok(n),
            Err(super::arith::Wrong(what)) => {
                self.warn(format!("[[: {what}")).await;
                Err(1)
            }
        }
    }

    /// Quoted parts of the right side of `=~` are literal.
    async fn regex_of(&mut self, word: &[crate::shell::syntax::Part]) -> Result<Vec<u8>, Failed> {
        use crate::shell::syntax::Part;
        let mut out = Vec::new();
        for part in word {
            match part {
                Part::Quoted(text) => out.extend(escape_regex(text)),
                Part::Double(_) => {
                    let text = self.expand_one(std::slice::from_ref(part)).await?;
                    out.extend(escape_regex(&text));
                }
                Part::Lit(text) => out.extend_from_slice(text),
                other => out.extend(self.expand_one(std::slice::from_ref(other)).await?),
            }
        }
        Ok(out)
    }

    // --- simple commands

    async fn simple(&mut self, cmd: &Simple) -> Flow {
        self.line = cmd.line;
        self.predeclare(cmd);
        let substituted = self.last;
        let words = match self.expand_words(&cmd.words).await {
            Ok(words) => words,
            Err(Failed) => return self.failed(),
        };
        let Some(first) = words.first().cloned() else {
            // Only assignments and redirections.
            let had_sub = cmd.assigns.iter().any(|a| matches!(&a.value, Value::One(w) if has_command(w)));
            if !had_sub {
                self.last = if cmd.words.is_empty() { 0 } else { self.last };
            }
            let _ = substituted;
            if self.opts.xtrace && !cmd.assigns.is_empty() {
                self.trace_assigns(cmd).await;
            }
            for assign in &cmd.assigns {
                if self.assign(assign).await.is_err() {
                    return self.failed();
                }
            }
            if !cmd.redirs.is_empty() {
                let saved = self.fds.clone();
                if self.redirect(&cmd.redirs).await.is_err() {
                    self.last = if self.flavor == Flavor::Dash { 2 } else { 1 };
                }
                self.fds = saved;
            }
            return Flow::Next;
        };
        if let Some(last) = words.last() {
            self.last_arg.clone_from(last);
        }
        if self.opts.xtrace {
            self.trace(&words).await;
        }
        self.dispatch(first, words, cmd).await
    }

    /// `declare -A m=([k]=v)`: the keys are text, which must be known before they are read.
    fn predeclare(&mut self, cmd: &Simple) {
        use crate::shell::syntax::Part;
        let Some([Part::Lit(first)]) = cmd.words.first().map(Vec::as_slice) else { return };
        if !matches!(first.as_slice(), b"declare" | b"typeset" | b"local" | b"readonly") {
            return;
        }
        let assoc = cmd.words.iter().any(|w| matches!(w.as_slice(), [Part::Lit(f)] if f.starts_with(b"-") && f.contains(&b'A')));
        for word in &cmd.words {
            if let [Part::Lit(name), _, Part::Array(_)] = word.as_slice()
                && assoc
            {
                if !self.functions.is_empty() {
                    self.vars.local(name);
                }
                self.vars.raw_mut(name).val = Some(Val::Assoc(BTreeMap::new()));
            }
        }
    }

    async fn dispatch(&mut self, first: Vec<u8>, words: Vec<Vec<u8>>, cmd: &Simple) -> Flow {
        let name = String::from_utf8_lossy(&first).into_owned();
        let special = self.flavor != Flavor::Bash && builtins::is_special(&name);
        if name == "exec" && !self.funcs.contains_key(&first) {
            return self.exec(words, cmd).await;
        }
        let (extra, saved) = match self.prepare(cmd).await {
            Ok(done) => done,
            Err(flow) => return flow,
        };
        let flow = if let Some(body) = self.funcs.get(&first).cloned().filter(|_| !special) {
            self.call(&body, words, extra).await
        } else if let Some(builtin) = builtins::find(self.flavor, &name) {
            let old = self.put_env(&extra);
            let flow = builtin(self, words).await;
            self.restore_env(old);
            flow
        } else {
            self.last = run::external(self, words, extra).await;
            Flow::Next
        };
        if let Some(fds) = saved {
            self.fds = fds;
        }
        flow
    }

    /// Sets variables for one command; gives what to put back.
    pub(crate) fn put_env(&mut self, extra: &[(Vec<u8>, Vec<u8>)]) -> Vec<(Vec<u8>, Option<super::Var>)> {
        let mut saved = Vec::new();
        for (name, value) in extra {
            saved.push((name.clone(), self.vars.get(name).cloned()));
            let _ = self.vars.set(name, value);
            self.vars.export(name);
        }
        saved
    }

    pub(crate) fn restore_env(&mut self, saved: Vec<(Vec<u8>, Option<super::Var>)>) {
        for (name, old) in saved.into_iter().rev() {
            match old {
                Some(var) => *self.vars.raw_mut(&name) = var,
                None => {
                    self.vars.unset(&name);
                }
            }
        }
    }

    /// Prefix assignments and redirections of a command: its extra environment, and the descriptors to put
    /// back afterwards.
    async fn prepare(&mut self, cmd: &Simple) -> Result<(Vec<(Vec<u8>, Vec<u8>)>, Option<Fds>), Flow> {
        let mut extra = Vec::new();
        for assign in &cmd.assigns {
            if let Value::One(word) = &assign.value {
                match self.expand_value(word).await {
                    Ok(value) => {
                        let value = if assign.append { [self.vars.str(&assign.name).unwrap_or_default(), &value].concat() } else { value };
                        extra.push((assign.name.clone(), value));
                    }
                    Err(Failed) => return Err(self.failed()),
                }
            }
        }
        if cmd.redirs.is_empty() {
            return Ok((extra, None));
        }
        let saved = self.fds.clone();
        if self.redirect(&cmd.redirs).await.is_err() {
            self.last = if self.flavor == Flavor::Dash { 2 } else { 1 };
            self.fds = saved;
            return Err(if self.opts.errexit && self.lenient == 0 { Flow::Exit } else { Flow::Next });
        }
        Ok((extra, Some(saved)))
    }

    async fn exec(&mut self, words: Vec<Vec<u8>>, cmd: &Simple) -> Flow {
        if self.redirect(&cmd.redirs).await.is_err() {
            self.last = 1;
            return if self.interactive { Flow::Next } else { Flow::Exit };
        }
        let mut args: Vec<Vec<u8>> = words.into_iter().skip(1).collect();
        let mut login = false;
        let mut name = None;
        while let Some(arg) = args.first().cloned() {
            match arg.as_slice() {
                b"--" => {
                    args.remove(0);
                    break;
                }
                b"-l" => {
                    login = true;
                    args.remove(0);
                }
                b"-c" => {
                    args.remove(0);
                }
                b"-a" => {
                    args.remove(0);
                    if !args.is_empty() {
                        name = Some(args.remove(0));
                    }
                }
                _ => break,
            }
        }
        if args.is_empty() {
            self.last = 0;
            return Flow::Next;
        }
        let mut extra = Vec::new();
        for assign in &cmd.assigns {
            if let Value::One(word) = &assign.value
                && let Ok(value) = self.expand_value(word).await
            {
                extra.push((assign.name.clone(), value));
            }
        }
        let _ = (login, name);
        match run::find(self, args.first().map_or(&b""[..], Vec::as_slice)) {
            Ok(_) => {
                self.last = run::external(self, args, extra).await;
                Flow::Exit
            }
            Err(_) => {
                let shown = String::from_utf8_lossy(args.first().map_or(&b""[..], Vec::as_slice)).into_owned();
                let text =
                    if shown.contains('/') { format!("{shown}: No such file or directory") } else { format!("exec: {shown}: not found") };
                self.warn(text).await;
                self.last = 127;
                if self.interactive { Flow::Next } else { Flow::Exit }
            }
        }
    }

    /// Calls a function.
    async fn call(&mut self, body: &Arc<crate::shell::syntax::Function>, words: Vec<Vec<u8>>, extra: Vec<(Vec<u8>, Vec<u8>)>) -> Flow {
        if self.depth >= super::DEEPEST {
            self.warn(format!(
                "{}: maximum function nesting level exceeded ({})",
                String::from_utf8_lossy(words.first().map_or(&b""[..], Vec::as_slice)),
                self.functions.len()
            ))
            .await;
            self.last = 1;
            return Flow::Exit;
        }
        let name = words.first().cloned().unwrap_or_default();
        let params = std::mem::replace(&mut self.params, words.into_iter().skip(1).collect());
        let loops = std::mem::take(&mut self.loops);
        let saved = self.put_env(&extra);
        self.functions.push(name);
        self.vars.push_scope();
        self.depth += 1;
        let flow = self.command(&body.body).await;
        self.depth -= 1;
        self.vars.pop_scope();
        self.functions.pop();
        self.restore_env(saved);
        self.loops = loops;
        self.params = params;
        match flow {
            Flow::Exit | Flow::Abort => flow,
            _ => Flow::Next,
        }
    }

    /// Makes an assignment.
    pub(crate) async fn assign(&mut self, assign: &Assign) -> Result<(), Failed> {
        let name = &assign.name;
        match &assign.value {
            Value::One(word) => {
                let mut value = self.expand_value(word).await?;
                if let Some(index) = &assign.index {
                    if matches!(self.vars.get(name).and_then(|v| v.val.as_ref()), Some(Val::Assoc(_))) {
                        let key = self.expand_one(index).await?;
                        if assign.append
                            && let Some(Val::Assoc(map)) = self.vars.get(name).and_then(|v| v.val.as_ref())
                            && let Some(old) = map.get(&key)
                        {
                            value = [old.as_slice(), &value].concat();
                        }
                        let _ = self.vars.set_key(name, key, value);
                        return Ok(());
                    }
                    let text = self.expand_one(index).await?;
                    let at = self.arith(&text).await?;
                    if self.vars.get(name).is_some_and(|v| v.integer) {
                        value = self.arith(&value).await?.to_string().into_bytes();
                    }
                    if assign.append
                        && let Some(old) = self.element(name, at)
                    {
                        value = [old.as_slice(), &value].concat();
                    }
                    if self.vars.set_index(name, at, value).is_err() {
                        self.warn(format!("{}: readonly variable", String::from_utf8_lossy(name))).await;
                        self.last = 1;
                        return Err(Failed);
                    }
                    return Ok(());
                }
                if assign.append {
                    if self.vars.get(name).is_some_and(|v| v.integer) {
                        let old = self.vars.str(name).unwrap_or(b"0").to_vec();
                        let sum = self.arith(&old).await?.wrapping_add(self.arith(&value).await?);
                        return self.set_checked(name, sum.to_string().as_bytes()).await;
                    }
                    value = [self.vars.str(name).unwrap_or_default(), &value].concat();
                }
                self.set_checked(name, &value).await
            }
            Value::Many(items) => {
                let assoc = matches!(self.vars.get(name).and_then(|v| v.val.as_ref()), Some(Val::Assoc(_)));
                if self.vars.get(name).is_some_and(|v| v.readonly) {
                    self.warn(format!("{}: readonly variable", String::from_utf8_lossy(name))).await;
                    self.last = 1;
                    return Err(Failed);
                }
                if assoc {
                    let mut map = if assign.append {
                        match self.vars.get(name).and_then(|v| v.val.clone()) {
                            Some(Val::Assoc(map)) => map,
                            _ => BTreeMap::new(),
                        }
                    } else {
                        BTreeMap::new()
                    };
                    for (key, word) in items {
                        let Some(key) = key else { continue };
                        let key = self.expand_one(key).await?;
                        let value = self.expand_value(word).await?;
                        map.insert(key, value);
                    }
                    let _ = self.vars.set_val(name, Val::Assoc(map));
                    return Ok(());
                }
                let mut map: BTreeMap<i64, Vec<u8>> = match (assign.append, self.vars.get(name).and_then(|v| v.val.clone())) {
                    (true, Some(Val::Arr(map))) => map,
                    (true, Some(Val::Str(text))) => BTreeMap::from([(0, text)]),
                    _ => BTreeMap::new(),
                };
                let mut next = map.keys().next_back().map_or(0, |k| k + 1);
                for (key, word) in items {
                    if let Some(key) = key {
                        let text = self.expand_one(key).await?;
                        next = self.arith(&text).await?;
                        let value = self.expand_value(word).await?;
                        map.insert(next, value);
                        next += 1;
                    } else {
                        for value in self.expand_words(std::slice::from_ref(word)).await? {
                            map.insert(next, value);
                            next += 1;
                        }
                    }
                    if map.len() > 200_000 {
                        break;
                    }
                }
                let _ = self.vars.set_val(name, Val::Arr(map));
                Ok(())
            }
        }
    }

    async fn trace(&mut self, words: &[Vec<u8>]) {
        let mut line = self.full_prompt(b"PS4").await;
        for (n, word) in words.iter().enumerate() {
            if n > 0 {
                line.push(b' ');
            }
            line.extend(trace_quote(word));
        }
        line.push(b'\n');
        let _ = self.write(2, &line).await;
    }

    async fn trace_assigns(&mut self, cmd: &Simple) {
        for assign in &cmd.assigns {
            if let Value::One(word) = &assign.value
                && !has_command(word)
            {
                let mut line = self.full_prompt(b"PS4").await;
                line.extend_from_slice(&assign.name);
                line.push(b'=');
                if let Ok(value) = self.expand_value(word).await
                    && !value.is_empty()
                {
                    line.extend(trace_quote(&value));
                }
                line.push(b'\n');
                let _ = self.write(2, &line).await;
            }
        }
    }

    // --- redirections

    /// Applies redirections to the shell's own descriptors.
    pub(crate) async fn redirect(&mut self, redirs: &[Redir]) -> Result<(), Failed> {
        for r in redirs {
            let default =
                if matches!(r.op, RedirOp::In | RedirOp::ReadWrite | RedirOp::DupIn | RedirOp::Here | RedirOp::HereString) { 0 } else { 1 };
            let fd = r.fd.unwrap_or(default);
            if fd > 1023 {
                self.warn(format!("{fd}: Bad file descriptor")).await;
                return Err(Failed);
            }
            match r.op {
                RedirOp::Here => {
                    let body = match r.here.as_ref().and_then(|h| h.get()) {
                        Some(word) => self.expand_one(word).await?,
                        None => Vec::new(),
                    };
                    self.feed(fd, body);
                }
                RedirOp::HereString => {
                    let mut body = self.expand_one(&r.target).await?;
                    body.push(b'\n');
                    self.feed(fd, body);
                }
                RedirOp::DupIn | RedirOp::DupOut => {
                    let target = self.expand_one(&r.target).await?;
                    let text = String::from_utf8_lossy(&target).into_owned();
                    if text == "-" {
                        self.fds.remove(&fd);
                        continue;
                    }
                    let (number, close) = match text.strip_suffix('-') {
                        Some(n) => (n.to_owned(), true),
                        None => (text.clone(), false),
                    };
                    match number.parse::<u32>() {
                        Ok(n) => match self.fds.get(&n).cloned() {
                            Some(old) => {
                                self.fds.insert(fd, old);
                                if close {
                                    self.fds.remove(&n);
                                }
                            }
                            None => {
                                self.warn(format!("{n}: Bad file descriptor")).await;
                                return Err(Failed);
                            }
                        },
                        Err(_) if r.op == RedirOp::DupOut && r.fd.is_none() => {
                            let file = self.open(&target, How::Write).await?;
                            self.fds.insert(1, file.clone());
                            self.fds.insert(2, file);
                        }
                        Err(_) => {
                            self.warn(format!("{text}: ambiguous redirect")).await;
                            return Err(Failed);
                        }
                    }
                }
                _ => {
                    let mut words = Vec::new();
                    for value in self.expand_words(std::slice::from_ref(&r.target)).await? {
                        words.push(value);
                    }
                    let [target] = words.as_slice() else {
                        let raw = raw_word(&r.target);
                        self.warn([raw.as_slice(), b": ambiguous redirect"].concat()).await;
                        return Err(Failed);
                    };
                    let how = match r.op {
                        RedirOp::In => How::Read,
                        RedirOp::ReadWrite => How::ReadWrite,
                        RedirOp::Append | RedirOp::BothAppend => How::Append,
                        RedirOp::Out if self.opts.noclobber => How::Exclusive,
                        _ => How::Write,
                    };
                    let file = self.open(target, how).await?;
                    if matches!(r.op, RedirOp::Both | RedirOp::BothAppend) {
                        self.fds.insert(1, file.clone());
                        self.fds.insert(2, file);
                    } else {
                        self.fds.insert(fd, file);
                    }
                }
            }
        }
        Ok(())
    }

    fn feed(&mut self, fd: u32, body: Vec<u8>) {
        let (read, write) = kernel::pipe(&self.k);
        self.fds.insert(fd, Fd::Read(read));
        self.k.spawn(Box::pin(async move {
            write.write(&body).await;
        }));
        // The writer must have begun before the reader looks.
        self.k.moved();
    }

    async fn open(&mut self, target: &[u8], how: How) -> Result<Fd, Failed> {
        let shown = String::from_utf8_lossy(target).into_owned();
        if self.flavor == Flavor::Bash
            && let Some((proto, rest)) =
                shown.strip_prefix("/dev/tcp/").map(|r| ("tcp", r)).or_else(|| shown.strip_prefix("/dev/udp/").map(|r| ("udp", r)))
        {
            let (host, port) = rest.split_once('/').unwrap_or((rest, ""));
            self.k.note(Saw::UrlSeen { url: format!("{proto}://{host}:{port}").into(), tool: "bash".into() });
            let why = crate::shell::commands::net::reach(&self.k, host).await;
            let text = match why {
                crate::shell::commands::net::Why::Name => {
                    self.warn(format!("{host}: Name or service not known")).await;
                    "Invalid argument".to_owned()
                }
                other => {
                    self.warn(format!("connect: {}", other.errno())).await;
                    other.errno().to_string()
                }
            };
            self.warn(format!("{shown}: {text}")).await;
            return Err(Failed);
        }
        let path = if target.is_empty() { Vec::new() } else { absolute(&self.cwd, target) };
        match proc::open(&self.k, &self.fds, &self.who, &path, how, 0o666 & !self.umask) {
            Ok(fd) => Ok(fd),
            Err(Errno::EEXIST) => {
                self.warn(format!("{shown}: cannot overwrite existing file")).await;
                Err(Failed)
            }
            Err(e) => {
                let text = match self.flavor {
                    Flavor::Bash => format!("{shown}: {e}"),
                    Flavor::Dash | Flavor::Ash => {
                        let verb = if how == How::Read { "open" } else { "create" };
                        let why = match e {
                            Errno::ENOENT if how == How::Read => "No such file".to_owned(),
                            Errno::ENOENT => {
                                if self.flavor == Flavor::Ash {
                                    "nonexistent directory".to_owned()
                                } else {
                                    "Directory nonexistent".to_owned()
                                }
                            }
                            e => e.to_string(),
                        };
                        let why = if self.flavor == Flavor::Ash && e == Errno::ENOENT && how == How::Read {
                            "no such file".to_owned()
                        } else {
                            why
                        };
                        if self.flavor == Flavor::Ash {
                            format!("can't {verb} {shown}: {why}")
                        } else {
                            format!("cannot {verb} {shown}: {why}")
                        }
                    }
                };
                self.warn(text).await;
                Err(Failed)
            }
        }
    }

    // --- text

    /// Runs a text as `eval` does.
    pub(crate) fn eval_text<'a>(&'a mut self, text: &'a [u8], line: u32) -> Boxed<'a, Flow> {
        Box::pin(async move {
            let aliases = self.aliases.clone();
            let mut parser = Parser::new(text.to_vec(), line);
            if self.interactive || self.shopts.contains("expand_aliases") {
                parser = parser.with_aliases(&aliases);
            }
            self.script(&mut parser).await
        })
    }

    /// Runs what a parser yields.
    pub(crate) async fn script(&mut self, parser: &mut Parser<'_>) -> Flow {
        if self.depth >= super::DEEPEST {
            self.warn("eval: maximum eval nesting level exceeded").await;
            self.last = 1;
            return Flow::Exit;
        }
        self.depth += 1;
        let mut out = Flow::Next;
        loop {
            let at_line = parser.line();
            match parser.next_line() {
                Ok(None) => break,
                Ok(Some(list)) => {
                    if let Some((line, end)) = parser.here_open.take() {
                        self.line = line;
                        self.warn(format!(
                            "warning: here-document at line {line} delimited by end-of-file (wanted `{}')",
                            String::from_utf8_lossy(&end)
                        ))
                        .await;
                    }
                    out = self.list(&list).await;
                    if out == Flow::Abort && self.depth == 1 && !self.from_c {
                        out = Flow::Next;
                    }
                    if out != Flow::Next {
                        break;
                    }
                }
                Err(flaw) => {
                    self.say_flaw(parser, flaw, at_line).await;
                    out = if self.interactive { Flow::Next } else { Flow::Exit };
                    break;
                }
            }
        }
        self.depth -= 1;
        out
    }

    /// Says what is wrong with a text.
    pub(crate) async fn say_flaw(&mut self, parser: &Parser<'_>, flaw: Flaw, started: u32) {
        let _ = started;
        let name = String::from_utf8_lossy(&self.arg0).into_owned();
        let from_c = if self.from_c { "-c: " } else { "" };
        let at = |line: u32| if self.interactive { format!("{name}: ") } else { format!("{name}: {from_c}line {line}: ") };
        self.last = 2;
        let mut text = String::new();
        if self.flavor != Flavor::Bash {
            let (line, what) = match &flaw {
                Flaw::Token(token, line) => {
                    (*line, format!("Syntax error: \"{}\" unexpected", String::from_utf8_lossy(token)).replace("\"newline\"", "newline"))
                }
                Flaw::Incomplete(b'"' | b'\'', line) => (*line, "Syntax error: Unterminated quoted string".into()),
                Flaw::Incomplete(b'`', line) | Flaw::Never(_, line) => (*line, "Syntax error: EOF in backquote substitution".into()),
                Flaw::Incomplete(b'}', line) => (*line, "Syntax error: Missing '}'".into()),
                Flaw::Incomplete(_, _) if !parser.expecting.is_empty() => (
                    parser.line(),
                    format!("Syntax error: end of file unexpected (expecting \"{}\")", String::from_utf8_lossy(parser.expecting)),
                ),
                Flaw::Incomplete(_, _) => (parser.line(), "Syntax error: end of file unexpected".into()),
                Flaw::Message(what, line) => (*line, what.clone()),
            };
            let what = if self.flavor == Flavor::Ash {
                what.replacen("Syntax error", "syntax error", 1)
                    .replace(" unexpected", "")
                    .replacen("error: ", "error: unexpected ", 1)
                    .replace("unexpected Unterminated quoted string", "unterminated quoted string")
            } else {
                what
            };
            let prefix = if self.flavor == Flavor::Ash { format!("{name}: ") } else { format!("{name}: {line}: ") };
            let _ = self.write(2, format!("{prefix}{what}\n").as_bytes()).await;
            return;
        }
        match flaw {
            Flaw::Token(token, line) => {
                text.push_str(&format!("{}syntax error near unexpected token `{}'\n", at(line), String::from_utf8_lossy(&token)));
                if !self.interactive {
                    text.push_str(&format!("{}`{}'\n", at(line), String::from_utf8_lossy(&parser.line_text(line))));
                }
            }
            Flaw::Incomplete(0, _) => {
                let line = parser.line() + u32::from(self.from_c || !self.interactive) * u32::from(!parser.ends_with_newline());
                text.push_str(&format!("{}syntax error: unexpected end of file\n", at(line)));
            }
            Flaw::Incomplete(b')', _) if !self.interactive => {
                let line = parser.line() + u32::from(!parser.ends_with_newline());
                text.push_str(&format!("{}unexpected EOF while looking for matching `)'\n", at(line)));
            }
            Flaw::Incomplete(open, line) | Flaw::Never(open, line) => {
                text.push_str(&format!("{}unexpected EOF while looking for matching `{}'\n", at(line), char::from(open)));
            }
            Flaw::Message(what, line) => text.push_str(&format!("{}{what}\n", at(line))),
        }
        let _ = self.write(2, text.as_bytes()).await;
    }
}

/// A word roughly as it was written.
pub(super) fn raw_word(word: &[crate::shell::syntax::Part]) -> Vec<u8> {
    use crate::shell::syntax::Part;
    let mut out = Vec::new();
    for part in word {
        match part {
            Part::Lit(t) | Part::Quoted(t) => out.extend_from_slice(t),
            Part::Param(p) => {
                out.push(b'$');
                out.extend_from_slice(&p.name);
            }
            Part::Double(w) => {
                out.push(b'"');
                out.extend(raw_word(w));
                out.push(b'"');
            }
            _ => {}
        }
    }
    out
}

fn has_command(word: &[crate::shell::syntax::Part]) -> bool {
    use crate::shell::syntax::Part;
    word.iter().any(|p| match p {
        Part::Cmd(_) => true,
        Part::Double(w) => has_command(w),
        _ => false,
    })
}

fn escape_regex(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 4);
    for &b in text {
        if b"\\^$.|?*+()[]{}".contains(&b) {
            out.push(b'\\');
        }
        out.push(b);
    }
    out
}

fn trace_quote(word: &[u8]) -> Vec<u8> {
    let plain = !word.is_empty() && word.iter().all(|b| b.is_ascii_alphanumeric() || b"-_/.,:=+%@".contains(b));
    if plain { word.to_vec() } else { super::expand::quote(word) }
}
