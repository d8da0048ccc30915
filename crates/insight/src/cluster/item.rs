//! Pieces of evidence as numbers: what kind in the top four bits, a digest of the value below.

use crate::{
    dice::{digest, mix},
    evidence::Strand,
};

/// One piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item(pub u64);

/// What a piece of evidence is. In the order in which it joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Known to be one: strands of one visitor at one address, or said so by an analyst.
    Bond,
    /// HASSH of an SSH client.
    Ssh,
    /// JA4 of a TLS client.
    Tls,
    /// JA3 of a TLS client, finer than JA4 where it stays the same.
    TlsExact,
    /// A file that was left.
    Payload,
    /// An address that was called or fetched from.
    C2,
    /// A client together with a list of credentials it tried.
    ClientList,
    /// A client together with a set of commands it ran.
    ClientScript,
    /// A list of credentials tried in one session. Joins nothing by itself.
    List,
    /// A set of commands run in one session. Joins nothing by itself.
    Script,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Bond,
        Self::Ssh,
        Self::Tls,
        Self::TlsExact,
        Self::Payload,
        Self::C2,
        Self::ClientList,
        Self::ClientScript,
        Self::List,
        Self::Script,
    ];

    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bond => "bond",
            Self::Ssh => "hassh",
            Self::Tls => "ja4",
            Self::TlsExact => "ja3",
            Self::Payload => "payload",
            Self::C2 => "c2",
            Self::ClientList => "client+credentials",
            Self::ClientScript => "client+commands",
            Self::List => "credentials",
            Self::Script => "commands",
        }
    }

    /// Whether sharing it can join two strands at all.
    pub fn joins(self) -> bool {
        !matches!(self, Self::List | Self::Script)
    }
}

const BITS: u64 = (1 << 60) - 1;

impl Item {
    /// Kind and digest as one number.
    pub fn new(kind: Kind, digest: u64) -> Self {
        Self(((kind as u64) << 60) | (digest & BITS))
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        let at = usize::try_from(self.0 >> 60).unwrap_or(0);
        Kind::ALL.get(at).copied().unwrap_or(Kind::Script)
    }

    fn text(kind: Kind, text: &str) -> Self {
        Self::new(kind, digest(text.as_bytes()))
    }

    /// The client together with a set: what joins two strands of a common client that did the same uncommon thing.
    pub(super) fn with_client(client: Self, set: Self) -> Self {
        let kind = if set.kind() == Kind::List { Kind::ClientList } else { Kind::ClientScript };
        Self::new(kind, mix(client.0 ^ mix(set.0)))
    }
}

/// A bond between all that carry `key`.
pub fn bond(key: u128) -> Item {
    let bytes = key.to_be_bytes();
    Item::new(Kind::Bond, digest(&bytes))
}

/// A value as it stood in a strand, and the item it became.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub item: Item,
    pub value: String,
}

/// Everything of a strand that is evidence of who it is, sorted.
pub fn items(strand: &Strand) -> Vec<Item> {
    let mut out = Vec::new();
    out.extend(strand.hassh.iter().map(|v| Item::text(Kind::Ssh, v)));
    out.extend(strand.ja4.iter().map(|v| Item::text(Kind::Tls, v)));
    // A client that shuffles shows another JA3 each time: it says nothing then.
    if strand.ja3.len() <= 3 {
        out.extend(strand.ja3.iter().map(|v| Item::text(Kind::TlsExact, v)));
    }
    out.extend(strand.payloads.iter().map(|v| Item::text(Kind::Payload, v)));
    out.extend(strand.c2.iter().map(|v| Item::text(Kind::C2, v)));
    let sets =
        strand.lists.iter().map(|l| Item::new(Kind::List, mix(*l))).chain(strand.scripts.iter().map(|s| Item::new(Kind::Script, mix(*s))));
    out.extend(sets);
    out.sort_unstable();
    out.dedup();
    out.extend(pairs(&out).into_iter().map(|(whole, _)| whole).collect::<Vec<_>>());
    out.sort_unstable();
    out
}

/// Each list and script together with each client (two at most) that may have done it.
fn pairs(items: &[Item]) -> Vec<(Item, Item)> {
    let of = |kind: Kind| items.iter().copied().filter(move |i| i.kind() == kind).take(2);
    let mut clients: Vec<Item> = of(Kind::Ssh).collect();
    if clients.is_empty() {
        clients = of(Kind::Tls).collect();
    }
    let sets = items.iter().copied().filter(|i| matches!(i.kind(), Kind::List | Kind::Script));
    sets.flat_map(|set| clients.iter().map(move |client| (Item::with_client(*client, set), set)).collect::<Vec<_>>()).collect()
}

/// The lists and scripts within what a node has together with its client.
pub(super) fn sets(node: &super::Node) -> Vec<(Item, Item)> {
    if node.items.iter().any(|i| matches!(i.kind(), Kind::ClientList | Kind::ClientScript)) { pairs(&node.items) } else { Vec::new() }
}

/// The values of a strand by their items, for people to read.
pub fn named(strand: &Strand) -> Vec<Named> {
    let of = |kind: Kind, values: &std::collections::BTreeSet<String>| {
        values.iter().map(|v| Named { item: Item::text(kind, v), value: v.clone() }).collect::<Vec<_>>()
    };
    let mut out = of(Kind::Ssh, &strand.hassh);
    out.extend(of(Kind::Tls, &strand.ja4));
    out.extend(of(Kind::TlsExact, &strand.ja3));
    out.extend(of(Kind::Payload, &strand.payloads));
    out.extend(of(Kind::C2, &strand.c2));
    out
}
