//! Commands about boxes: CREATE, DELETE, RENAME, SUBSCRIBE, LIST (with RFC 5258, 5819, 6154), LSUB, STATUS.

use std::collections::BTreeSet;

use super::{
    parse::{self, Arg},
    session::{Answer, Session},
};
use crate::mail::boxes::{Mailbox, SEEN, proper};

/// Boxes with a use of their own.
const SPECIAL: &[(&str, &str)] =
    &[("Drafts", "\\Drafts"), ("Junk", "\\Junk"), ("Trash", "\\Trash"), ("Sent", "\\Sent"), ("Sent Messages", "\\Sent")];

impl Session {
    pub(super) fn folders(&mut self, verb: &str, args: &[Arg], wire: &mut Vec<u8>) -> Answer {
        if verb == "LIST" {
            return self.list(args, wire);
        }
        let name = args.first().and_then(Arg::text).ok_or("Invalid arguments.")?;
        match verb {
            "LSUB" => {
                let pattern = args.get(1).and_then(Arg::text).ok_or("Invalid arguments.")?;
                let pattern = format!("{name}{pattern}");
                for name in self.account.boxes.subscribed.iter().filter(|n| matches(&pattern, n)) {
                    let there = self.account.find(name).is_some();
                    wire.extend_from_slice(
                        format!("* LSUB ({}) \"/\" {}\r\n", if there { "" } else { "\\NoSelect" }, parse::name(name)).as_bytes(),
                    );
                }
                Ok("Lsub completed".into())
            }
            "CREATE" => {
                let name = proper(name.strip_suffix('/').unwrap_or(&name)).to_owned();
                if name.is_empty()
                    || name.starts_with('/')
                    || name.contains("//")
                    || name.split('/').any(|p| p == ".." || p == ".")
                    || name.contains(['\0', '\r', '\n'])
                {
                    return Ok("NO Invalid mailbox name: Begins with hierarchy separator".into())
                        .map(|t: String| if name.is_empty() { "NO Invalid mailbox name: Name is empty".into() } else { t });
                }
                if self.account.find(&name).is_some() {
                    return Ok("NO [ALREADYEXISTS] Mailbox already exists".into());
                }
                let mut above = name.as_str();
                while let Some((parent, _)) = above.rsplit_once('/') {
                    if self.account.find(parent).is_some() && parent != "INBOX" {
                        return Ok("NO Mailbox doesn't allow inferior mailboxes".into());
                    }
                    above = parent;
                }
                let now = self.now;
                if !self.account.create(&name, now) || !self.account.keep() {
                    return Ok("NO [LIMIT] Maximum number of mailboxes reached".into());
                }
                Ok("Create completed".into())
            }
            "DELETE" => {
                let name = proper(&name).to_owned();
                if name == "INBOX" {
                    return Ok("NO INBOX can't be deleted".into());
                }
                let Some(mailbox) = self.account.boxes.boxes.remove(&name) else {
                    return Ok(format!("NO [NONEXISTENT] Mailbox doesn't exist: {name}"));
                };
                for m in &mailbox.messages {
                    self.account.sweep(&m.source);
                }
                self.account.keep();
                Ok("Delete completed".into())
            }
            "RENAME" => {
                let to = args.get(1).and_then(Arg::text).ok_or("Invalid arguments.")?;
                let (from, to) = (proper(&name).to_owned(), proper(to.strip_suffix('/').unwrap_or(&to)).to_owned());
                if self.account.find(&to).is_some() {
                    return Ok("NO [ALREADYEXISTS] Target mailbox already exists".into());
                }
                if to.is_empty() || to.starts_with('/') || to.contains("//") {
                    return Ok("NO Invalid mailbox name: Begins with hierarchy separator".into());
                }
                let now = self.now;
                let inside = format!("{from}/");
                let children: Vec<String> = self.account.boxes.boxes.keys().filter(|n| n.starts_with(&inside)).cloned().collect();
                let Some(mailbox) = self.account.boxes.boxes.remove(&from) else {
                    if children.is_empty() {
                        return Ok(format!("NO [NONEXISTENT] Mailbox doesn't exist: {from}"));
                    }
                    return self.rename_children(&from, &to, children);
                };
                self.account.boxes.boxes.insert(to.clone(), mailbox);
                if from == "INBOX" {
                    // What was there moves; INBOX begins again, empty.
                    self.account.create("INBOX", now);
                    self.account.keep();
                    return Ok("Rename completed".into());
                }
                self.rename_children(&from, &to, children)
            }
            "SUBSCRIBE" => {
                let name = proper(&name).to_owned();
                if self.account.find(&name).is_none() {
                    return Ok(format!("NO Mailbox doesn't exist: {name}"));
                }
                self.account.boxes.subscribed.insert(name);
                self.account.keep();
                Ok("Subscribe completed".into())
            }
            "UNSUBSCRIBE" => {
                if self.account.boxes.subscribed.remove(proper(&name)) {
                    self.account.keep();
                }
                Ok("Unsubscribe completed".into())
            }
            _ => {
                let items = args.get(1).and_then(Arg::list).ok_or("Invalid arguments.")?;
                let wanted = status_items(items)?;
                let Some(mailbox) = self.account.find(&name) else { return Ok(format!("NO Mailbox doesn't exist: {name}")) };
                let line = self.status_line(proper(&name), mailbox, &wanted);
                if wanted.iter().any(|w| w == "HIGHESTMODSEQ") {
                    self.condstore = true;
                }
                wire.extend_from_slice(line.as_bytes());
                Ok("Status completed".into())
            }
        }
    }

    fn rename_children(&mut self, from: &str, to: &str, children: Vec<String>) -> Answer {
        for child in children {
            if let Some(mailbox) = self.account.boxes.boxes.remove(&child) {
                let tail = child.get(from.len()..).unwrap_or_default();
                self.account.boxes.boxes.insert(format!("{to}{tail}"), mailbox);
            }
        }
        self.account.keep();
        Ok("Rename completed".into())
    }

    fn status_line(&self, name: &str, mailbox: &Mailbox, wanted: &[String]) -> String {
        let count = |f: fn(u32) -> bool| mailbox.messages.iter().filter(|m| f(m.flags)).count();
        // Whatever the order of the question, the answer has this one.
        let order = ["MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ", "SIZE", "X-SIZE", "DELETED"];
        let values: Vec<String> = order
            .iter()
            .filter(|o| wanted.iter().any(|w| w == *o))
            .map(|o| {
                let value: u64 = match *o {
                    "MESSAGES" => mailbox.messages.len() as u64,
                    "RECENT" => mailbox.messages.iter().filter(|m| m.uid >= mailbox.recent).count() as u64,
                    "UIDNEXT" => u64::from(mailbox.next),
                    "UIDVALIDITY" => u64::from(mailbox.validity),
                    "UNSEEN" => count(|f| f & SEEN == 0) as u64,
                    "HIGHESTMODSEQ" => mailbox.modseq,
                    _ => mailbox.messages.iter().map(|m| self.account.bytes(&m.source).len() as u64).sum(),
                };
                format!("{o} {value}")
            })
            .collect();
        format!("* STATUS {} ({})\r\n", parse::name(name), values.join(" "))
    }

    fn list(&mut self, args: &[Arg], wire: &mut Vec<u8>) -> Answer {
        let mut args = args.iter().peekable();
        let (mut subscribed, mut special, mut extended) = (false, false, false);
        if let Some(Arg::List(options)) = args.peek() {
            extended = true;
            for option in options {
                match option.word().as_deref() {
                    Some("SUBSCRIBED") => subscribed = true,
                    Some("SPECIAL-USE") => special = true,
                    Some("REMOTE" | "RECURSIVEMATCH") => {}
                    other => return Err(format!("Unknown select option '{}'", other.unwrap_or_default())),
                }
            }
            args.next();
        }
        let reference = args.next().and_then(Arg::text).ok_or("Invalid reference.")?;
        let patterns: Vec<String> = match args.next() {
            Some(Arg::List(list)) => {
                extended = true;
                list.iter().filter_map(Arg::text).collect()
            }
            Some(other) => other.text().into_iter().collect(),
            None => return Err("Invalid pattern.".into()),
        };
        let (mut children, mut show_special, mut show_subscribed, mut status) = (!extended, !extended, subscribed, None);
        if args.next().and_then(Arg::word).as_deref() == Some("RETURN") {
            extended = true;
            children = false;
            show_special = special;
            let options = args.next().and_then(Arg::list).ok_or("Invalid return options.")?;
            let mut options = options.iter();
            while let Some(option) = options.next() {
                match option.word().as_deref() {
                    Some("CHILDREN") => children = true,
                    Some("SPECIAL-USE") => show_special = true,
                    Some("SUBSCRIBED") => show_subscribed = true,
                    Some("STATUS") => status = Some(status_items(options.next().and_then(Arg::list).ok_or("Missing STATUS items")?)?),
                    other => return Err(format!("Unknown return option '{}'", other.unwrap_or_default())),
                }
            }
        }
        if patterns.iter().all(String::is_empty) && !extended {
            wire.extend_from_slice(b"* LIST (\\Noselect) \"/\" \"\"\r\n");
            return Ok("List completed".into());
        }
        let full: Vec<String> = patterns.iter().map(|p| format!("{reference}{p}")).collect();
        // Directories on the way to a box are listed too.
        let mut names: BTreeSet<String> = self.account.boxes.boxes.keys().cloned().collect();
        for name in self.account.boxes.boxes.keys() {
            let mut above = name.as_str();
            while let Some((parent, _)) = above.rsplit_once('/') {
                names.insert(parent.to_owned());
                above = parent;
            }
        }
        if subscribed {
            names.extend(self.account.boxes.subscribed.iter().cloned());
        }
        // INBOX comes last, as its file is elsewhere.
        let inbox = names.remove("INBOX");
        let ordered: Vec<String> = names.into_iter().chain(inbox.then(|| "INBOX".to_owned())).collect();
        for name in ordered {
            let is_subscribed = self.account.boxes.subscribed.contains(&name);
            let use_of = SPECIAL.iter().find(|(n, _)| *n == name).map(|(_, u)| *u);
            if (subscribed && !is_subscribed) || (special && use_of.is_none()) || !full.iter().any(|p| matches(p, &name)) {
                continue;
            }
            let mailbox = self.account.find(&name);
            let has_children = self.account.boxes.boxes.keys().any(|n| n.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('/')));
            let mut flags: Vec<&str> = Vec::new();
            if show_subscribed && is_subscribed {
                flags.push("\\Subscribed");
            }
            match mailbox {
                None if has_children => flags.extend(["\\Noselect", "\\HasChildren"]),
                None => flags.push("\\NonExistent"),
                Some(_) if name == "INBOX" => {
                    if children {
                        flags.push(if has_children { "\\HasChildren" } else { "\\HasNoChildren" });
                    }
                }
                Some(mailbox) => {
                    flags.push("\\NoInferiors");
                    if !mailbox.messages.is_empty() && children {
                        flags.push(if mailbox.recent < mailbox.next { "\\Marked" } else { "\\UnMarked" });
                    }
                }
            }
            if show_special {
                flags.extend(use_of);
            }
            wire.extend_from_slice(format!("* LIST ({}) \"/\" {}\r\n", flags.join(" "), parse::name(&name)).as_bytes());
            if let (Some(wanted), Some(mailbox)) = (&status, mailbox) {
                wire.extend_from_slice(self.status_line(&name, mailbox, wanted).as_bytes());
            }
        }
        Ok("List completed".into())
    }

    /// Tells the flags of a box that got a new keyword.
    pub(super) fn announce(&mut self, mailbox: &Mailbox, wire: &mut Vec<u8>) {
        if let Some(text) = self.new_keywords(mailbox) {
            wire.extend_from_slice(text.as_bytes());
        }
    }
}

fn status_items(items: &[Arg]) -> Result<Vec<String>, String> {
    const KNOWN: &[&str] = &["MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ", "SIZE", "X-SIZE"];
    if items.is_empty() {
        return Err("Empty status list".into());
    }
    let mut all = Vec::new();
    for item in items {
        let word = item.word().ok_or("Status list contains non-strings.")?;
        if !KNOWN.contains(&word.as_str()) {
            return Err(format!("Invalid status item {word}"));
        }
        all.push(word);
    }
    Ok(all)
}

/// Whether `name` fits a LIST pattern: `*` is anything, `%` anything without a `/`.
fn matches(pattern: &str, name: &str) -> bool {
    // States of the pattern that are reachable, so that no pattern takes long.
    let pattern: Vec<char> = pattern.chars().take(300).collect();
    let inbox = name == "INBOX";
    let mut states: BTreeSet<usize> = BTreeSet::from([0]);
    let close = |states: &mut BTreeSet<usize>| {
        let mut next: Vec<usize> = states.iter().copied().collect();
        while let Some(s) = next.pop() {
            if matches!(pattern.get(s), Some('*' | '%')) && states.insert(s + 1) {
                next.push(s + 1);
            }
        }
    };
    close(&mut states);
    for c in name.chars() {
        let mut after = BTreeSet::new();
        for s in &states {
            match pattern.get(*s) {
                Some('*') => _ = after.insert(*s),
                Some('%') if c != '/' => _ = after.insert(*s),
                Some(p) if *p == c || (inbox && p.eq_ignore_ascii_case(&c)) => _ = after.insert(s + 1),
                _ => {}
            }
        }
        states = after;
        close(&mut states);
    }
    states.contains(&pattern.len())
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%", "a", true),
            ("a/%", "a/b", true),
            ("inbox", "INBOX", true),
            ("sent", "Sent", false),
            ("", "x", false),
            ("*b*", "a/b/c", true),
            ("a*b", "ac", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(140), &"b".repeat(200)));
    }
}
