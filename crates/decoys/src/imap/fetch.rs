//! FETCH: which parts of a message are wanted, and how they are written.

use super::parse::{Arg, literal_string, string};
use crate::mail::message::{self, Part};

/// Something that FETCH gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Flags,
    InternalDate,
    Size,
    Envelope,
    Uid,
    Structure,
    Body,
    ModSeq,
    SaveDate,
    /// `PREVIEW` or `SNIPPET`, as it was asked for.
    Preview(&'static str),
    Section(Section),
    Binary {
        path: Vec<usize>,
        partial: Option<(usize, usize)>,
        peek: bool,
    },
    BinarySize(Vec<usize>),
}

/// A section of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// As it is named in the answer: `BODY[1.MIME]`, `RFC822.TEXT`.
    pub(super) label: String,
    pub(super) path: Vec<usize>,
    pub(super) what: What,
    pub(super) partial: Option<(usize, usize)>,
    pub(super) peek: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    All,
    Header,
    Text,
    Mime,
    Fields(Vec<String>),
    FieldsNot(Vec<String>),
}

impl Item {
    /// Whether fetching it marks the message as seen.
    pub(super) fn marks_seen(&self) -> bool {
        match self {
            Self::Section(s) => !s.peek,
            Self::Binary { peek, .. } => !peek,
            _ => false,
        }
    }
}

/// Reads the items of a FETCH. `Err`: what to say.
pub(super) fn items(arg: &Arg) -> Result<Vec<Item>, String> {
    let mut all = Vec::new();
    let args = match arg {
        Arg::List(list) if list.is_empty() => return Err("FETCH list is empty".into()),
        Arg::List(list) => list.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        let Arg::Atom(bytes) = arg else { return Err("FETCH list contains non-strings".into()) };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let upper = text.to_ascii_uppercase();
        match upper.as_str() {
            "ALL" => all.extend([Item::Flags, Item::InternalDate, Item::Size, Item::Envelope]),
            "FULL" => all.extend([Item::Flags, Item::InternalDate, Item::Size, Item::Envelope, Item::Body]),
            "FAST" => all.extend([Item::Flags, Item::InternalDate, Item::Size]),
            "FLAGS" => all.push(Item::Flags),
            "INTERNALDATE" => all.push(Item::InternalDate),
            "RFC822.SIZE" => all.push(Item::Size),
            "ENVELOPE" => all.push(Item::Envelope),
            "UID" => all.push(Item::Uid),
            "BODYSTRUCTURE" => all.push(Item::Structure),
            "BODY" => all.push(Item::Body),
            "MODSEQ" => all.push(Item::ModSeq),
            "SAVEDATE" => all.push(Item::SaveDate),
            "PREVIEW" | "SNIPPET" => {
                // A list of algorithms may follow: (LAZY), (FUZZY), (LAZY=FUZZY).
                if matches!(args.peek(), Some(Arg::List(_))) {
                    args.next();
                }
                all.push(Item::Preview(if upper == "PREVIEW" { "PREVIEW" } else { "SNIPPET (FUZZY" }));
            }
            "RFC822" => all.push(whole("RFC822", What::All, false)),
            "RFC822.HEADER" => all.push(whole("RFC822.HEADER", What::Header, true)),
            "RFC822.TEXT" => all.push(whole("RFC822.TEXT", What::Text, false)),
            _ => all.push(section(&text, &upper)?),
        }
    }
    let mut unique: Vec<Item> = Vec::with_capacity(all.len());
    for item in all {
        if !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique.truncate(100);
    Ok(unique)
}

fn whole(label: &str, what: What, peek: bool) -> Item {
    Item::Section(Section { label: label.into(), path: Vec::new(), what, partial: None, peek })
}

fn section(text: &str, upper: &str) -> Result<Item, String> {
    let unknown = || format!("Unknown parameter: {upper}");
    let (name, rest) = text.split_once('[').ok_or_else(unknown)?;
    let (inner, after) = rest.rsplit_once(']').ok_or_else(|| format!("Invalid {} parameter: Missing ']'", name.to_ascii_uppercase()))?;
    let name = name.to_ascii_uppercase();
    let partial = match after {
        "" => None,
        p => {
            let bad = || format!("Invalid {name} parameter: Invalid partial: {p}");
            let inside = p.strip_prefix('<').and_then(|p| p.strip_suffix('>')).ok_or_else(bad)?;
            let (from, count) = inside.split_once('.').unwrap_or((inside, "4294967295"));
            Some((from.parse().map_err(|_| bad())?, count.parse().map_err(|_| bad())?))
        }
    };
    let upper = inner.to_ascii_uppercase();
    let mut path = Vec::new();
    let mut left = upper.as_str();
    while let Some(first) = left.split(['.', ' ']).next().filter(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit())) {
        path.push(first.parse().map_err(|_| "Invalid BODY[..] parameter: Invalid section".to_owned())?);
        left = left.get(first.len()..).unwrap_or_default();
        left = left.strip_prefix('.').unwrap_or(left);
        if path.len() > 30 {
            return Err("Invalid BODY[..] parameter: Invalid section".into());
        }
    }
    match name.as_str() {
        "BINARY" | "BINARY.PEEK" if left.is_empty() => return Ok(Item::Binary { path, partial, peek: name.ends_with("PEEK") }),
        "BINARY.SIZE" if left.is_empty() => return Ok(Item::BinarySize(path)),
        "BODY" | "BODY.PEEK" => {}
        _ => return Err(format!("Unknown parameter: {name}")),
    }
    let what = match left {
        "" => What::All,
        "HEADER" => What::Header,
        "TEXT" => What::Text,
        "MIME" if !path.is_empty() => What::Mime,
        _ => {
            let (kind, names) = left.split_once(' ').ok_or("Invalid BODY[..] parameter: Unknown section")?;
            let original = inner.get(inner.len().saturating_sub(names.len())..).unwrap_or_default();
            let names: Vec<String> =
                original.trim_matches(['(', ')']).split_whitespace().map(|n| n.trim_matches('"').to_ascii_uppercase()).take(200).collect();
            if names.is_empty() {
                return Err("Invalid BODY[..] parameter: Missing header list".into());
            }
            match kind {
                "HEADER.FIELDS" => What::Fields(names),
                "HEADER.FIELDS.NOT" => What::FieldsNot(names),
                _ => return Err("Invalid BODY[..] parameter: Unknown section".into()),
            }
        }
    };
    let numbers = path.iter().map(usize::to_string).collect::<Vec<_>>().join(".");
    let dot = if numbers.is_empty() || left.is_empty() { "" } else { "." };
    let kind = match &what {
        What::Fields(names) => format!("HEADER.FIELDS ({})", names.join(" ")),
        What::FieldsNot(names) => format!("HEADER.FIELDS.NOT ({})", names.join(" ")),
        _ => left.to_owned(),
    };
    Ok(Item::Section(Section { label: format!("BODY[{numbers}{dot}{kind}]"), path, what, partial, peek: name.ends_with("PEEK") }))
}

/// The bytes of a section; `None`: there is no such part.
pub(super) fn bytes(raw: &[u8], root: &Part, section: &Section) -> Option<Vec<u8>> {
    let part = root.at(&section.path)?;
    let cut = |range: &std::ops::Range<usize>| raw.get(range.clone()).unwrap_or_default();
    // HEADER and TEXT below the root are those of an embedded message.
    let inner = if section.path.is_empty() {
        Some(part)
    } else if part.is_message() {
        part.children.first()
    } else {
        None
    };
    Some(match &section.what {
        What::All if section.path.is_empty() => raw.to_vec(),
        What::All => cut(&part.body).to_vec(),
        What::Mime => cut(&part.header).to_vec(),
        What::Header => cut(&inner?.header).to_vec(),
        What::Text => cut(&inner?.body).to_vec(),
        What::Fields(names) | What::FieldsNot(names) => {
            let wanted = matches!(section.what, What::Fields(_));
            let mut out = Vec::new();
            for (name, bytes) in message::fields(cut(&inner?.header)) {
                let listed = names.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()));
                if listed == wanted && !name.is_empty() {
                    out.extend_from_slice(bytes);
                }
            }
            out.extend_from_slice(b"\r\n");
            out
        }
    })
}

/// Writes a section as FETCH answers it.
pub(super) fn write_section(out: &mut Vec<u8>, raw: &[u8], root: &Part, section: &Section) {
    out.extend_from_slice(section.label.as_bytes());
    let found = bytes(raw, root, section);
    match (found, section.partial) {
        (None, _) => out.extend_from_slice(b" NIL"),
        (Some(text), None) => {
            out.push(b' ');
            literal_string(out, &text);
        }
        (Some(text), Some((from, count))) => {
            out.extend_from_slice(format!("<{from}> ").as_bytes());
            let end = from.saturating_add(count).min(text.len());
            literal_string(out, text.get(from.min(text.len())..end).unwrap_or_default());
        }
    }
}

fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        None => out.extend_from_slice(b"NIL"),
        Some(text) => string(out, text),
    }
}

/// The ENVELOPE of a header.
pub(super) fn envelope(out: &mut Vec<u8>, header: &[u8]) {
    out.push(b'(');
    let get = |name: &str| message::field(header, name);
    nstring(out, get("Date").as_deref());
    out.push(b' ');
    nstring(out, get("Subject").as_deref());
    let from = get("From");
    for (name, fallback) in [("From", false), ("Sender", true), ("Reply-To", true), ("To", false), ("Cc", false), ("Bcc", false)] {
        out.push(b' ');
        let value = get(name).filter(|v| !v.is_empty()).or_else(|| from.clone().filter(|_| fallback));
        let list = value.map(|v| message::addresses(&v)).unwrap_or_default();
        if list.is_empty() {
            out.extend_from_slice(b"NIL");
            continue;
        }
        out.push(b'(');
        for address in list {
            out.push(b'(');
            nstring(out, address.name.as_deref().map(str::as_bytes));
            out.extend_from_slice(b" NIL ");
            nstring(out, address.mailbox.as_deref().map(str::as_bytes));
            out.push(b' ');
            nstring(out, address.host.as_deref().map(str::as_bytes));
            out.push(b')');
        }
        out.push(b')');
    }
    for name in ["In-Reply-To", "Message-ID"] {
        out.push(b' ');
        nstring(out, get(name).as_deref());
    }
    out.push(b')');
}

fn params(out: &mut Vec<u8>, list: &[(String, String)]) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for (n, (name, value)) in list.iter().enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        string(out, name.as_bytes());
        out.push(b' ');
        string(out, value.as_bytes());
    }
    out.push(b')');
}

/// BODY or BODYSTRUCTURE.
pub(super) fn structure(out: &mut Vec<u8>, raw: &[u8], part: &Part, extended: bool) {
    out.push(b'(');
    let disposition = |out: &mut Vec<u8>| match &part.disposition {
        None => out.extend_from_slice(b"NIL"),
        Some((kind, list)) => {
            out.push(b'(');
            string(out, kind.to_lowercase().as_bytes());
            out.push(b' ');
            params(out, list);
            out.push(b')');
        }
    };
    let language = |out: &mut Vec<u8>| match &part.language {
        None => out.extend_from_slice(b"NIL"),
        Some(text) => {
            out.push(b'(');
            for (n, tag) in text.split(',').enumerate() {
                if n > 0 {
                    out.push(b' ');
                }
                string(out, tag.trim().as_bytes());
            }
            out.push(b')');
        }
    };
    if part.is_multipart() {
        for child in &part.children {
            structure(out, raw, child, extended);
        }
        out.push(b' ');
        string(out, part.sub.as_bytes());
        if extended {
            out.push(b' ');
            params(out, &part.params);
            out.push(b' ');
            disposition(out);
            out.push(b' ');
            language(out);
            out.push(b' ');
            nstring(out, part.location.as_deref().map(str::as_bytes));
        }
        out.push(b')');
        return;
    }
    string(out, part.kind.as_bytes());
    out.push(b' ');
    string(out, part.sub.as_bytes());
    out.push(b' ');
    if part.kind == "text" && !part.params.iter().any(|(n, _)| n == "charset") {
        let mut list = part.params.clone();
        list.insert(0, ("charset".into(), "us-ascii".into()));
        params(out, &list);
    } else {
        params(out, &part.params);
    }
    for text in [&part.id, &part.description] {
        out.push(b' ');
        nstring(out, text.as_deref().map(str::as_bytes));
    }
    out.push(b' ');
    string(out, part.encoding.as_bytes());
    out.extend_from_slice(format!(" {}", part.body.len()).as_bytes());
    if part.is_message()
        && let Some(inner) = part.children.first()
    {
        out.push(b' ');
        envelope(out, raw.get(inner.header.clone()).unwrap_or_default());
        out.push(b' ');
        structure(out, raw, inner, extended);
        out.extend_from_slice(format!(" {}", part.lines).as_bytes());
    } else if part.kind == "text" {
        out.extend_from_slice(format!(" {}", part.lines).as_bytes());
    }
    if extended {
        out.push(b' ');
        nstring(out, part.md5.as_deref().map(str::as_bytes));
        out.push(b' ');
        disposition(out);
        out.push(b' ');
        language(out);
        out.push(b' ');
        nstring(out, part.location.as_deref().map(str::as_bytes));
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_and_named_as_the_product_does() {
        let label = |text: &str| match items(&Arg::Atom(text.into())).unwrap().remove(0) {
            Item::Section(s) => format!("{} {}", s.label, s.peek),
            other => format!("{other:?}"),
        };
        assert_eq!(label("body.peek[header.fields (Subject from)]"), "BODY[HEADER.FIELDS (SUBJECT FROM)] true");
        assert_eq!(label("BODY[1.2.MIME]<0.5>"), "BODY[1.2.MIME] false");
        assert_eq!(label("BODY[]"), "BODY[] false");
        for bad in
            ["FOO", "BODY[", "BODY[x]", "BODY[1.MIME.2]", "BODY[HEADER.FIELDS]", "BODY[]<a>", "BODY[99999999999999999999999]", "FOO[1]"]
        {
            assert!(items(&Arg::Atom(bad.into())).is_err(), "{bad}");
        }
        assert!(items(&Arg::List(vec![])).is_err());
    }
}
