//! Background jobs.

use parking_lot::Mutex;
use std::sync::Arc;

/// A job's end: `None` while it runs.
pub(crate) type Ended = Arc<Mutex<Option<i32>>>;

/// One job.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) number: u32,
    pub(crate) pid: u32,
    pub(crate) text: Vec<u8>,
    pub(crate) ended: Ended,
    pub(crate) stopped: bool,
}

/// A shell's jobs.
#[derive(Clone, Default)]
pub(crate) struct Jobs {
    pub(crate) list: Vec<Job>,
}

impl Jobs {
    /// Adds a job and gives its number.
    pub(crate) fn add(&mut self, pid: u32, text: Vec<u8>, ended: Ended) -> u32 {
        let number = self.list.iter().map(|j| j.number).max().unwrap_or(0) + 1;
        self.list.push(Job { number, pid, text, ended, stopped: false });
        if self.list.len() > 2000 {
            self.list.remove(0);
        }
        number
    }

    /// `+`, `-` or a blank.
    pub(crate) fn mark(&self, number: u32) -> char {
        let mut it = self.list.iter().rev().map(|j| j.number);
        if it.next() == Some(number) {
            '+'
        } else if it.next() == Some(number) {
            '-'
        } else {
            ' '
        }
    }

    /// The line `jobs` prints.
    pub(crate) fn line(&self, job: &Job, long: bool) -> Vec<u8> {
        let state = if job.stopped {
            "Stopped".to_owned()
        } else {
            match *job.ended.lock() {
                None => "Running".to_owned(),
                Some(0) => "Done".to_owned(),
                Some(143) => "Terminated".to_owned(),
                Some(137) => "Killed".to_owned(),
                Some(130) => "Interrupt".to_owned(),
                Some(129) => "Hangup".to_owned(),
                Some(n) => format!("Exit {n}"),
            }
        };
        let running = state == "Running";
        let pid = if long { format!("{} ", job.pid) } else { String::new() };
        let mut out = format!("[{}]{}  {pid}{state:<24}", job.number, self.mark(job.number)).into_bytes();
        out.extend_from_slice(&job.text);
        if running {
            out.extend_from_slice(b" &");
        }
        out.push(b'\n');
        out
    }

    /// Lines for jobs that ended, which are then forgotten.
    pub(crate) fn reap(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for job in &self.list {
            if job.ended.lock().is_some() {
                out.extend(self.line(job, false));
            }
        }
        self.list.retain(|j| j.ended.lock().is_none());
        out
    }

    /// `%1`, `%%`, `%+`, `%-`, `%name`, or a process number.
    pub(crate) fn find(&self, spec: &str) -> Option<&Job> {
        match spec {
            "" | "%" | "%%" | "%+" => self.list.last(),
            "%-" => self.list.iter().rev().nth(1),
            _ => match spec.strip_prefix('%') {
                Some(n) => match n.parse::<u32>() {
                    Ok(n) => self.list.iter().find(|j| j.number == n),
                    Err(_) => self.list.iter().rev().find(|j| j.text.starts_with(n.as_bytes())),
                },
                None => spec.parse().ok().and_then(|pid: u32| self.list.iter().find(|j| j.pid == pid)),
            },
        }
    }
}
