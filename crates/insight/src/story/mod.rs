//! Stories: what attackers are supposed to do, written down, and played with a seed.
//!
//! A story is YAML. It says who acts (addresses, autonomous systems, fingerprints, working hours) and what they do
//! (phases of the Unified Kill Chain with the commands, credentials, payloads and call-back addresses of each). Playing it
//! gives events of exactly the form that decoys write, and beside them, apart, the truth of who did what. The truth never
//! reaches whoever clusters.
//!
//! Start reading at [`Corpus::read`], then [`play::play`]. To add a key of the language: `language.rs`, one line.

mod language;
pub mod play;
mod shapes;

use model::Phase;
use std::collections::BTreeMap;

pub use language::StoryError;
pub use play::{Played, Truth};

/// Several campaigns and the noise around them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corpus {
    pub campaigns: Vec<Campaign>,
    /// Scanners that come once, each its own campaign.
    pub scanners: u64,
    /// Deckies there are; `decky-01` and on.
    pub deckies: u64,
    /// What was read but is not understood or cannot be seen by a decky.
    pub warnings: Vec<String>,
}

/// One operation of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Campaign {
    pub id: String,
    pub actors: Vec<Actor>,
    pub phases: Vec<Act>,
    pub duration_days: i64,
    /// First and last day without anything, inclusive.
    pub pauses: Vec<(i64, i64)>,
}

/// Where an actor's addresses come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pool {
    /// One address for everything.
    #[default]
    Sticky,
    /// As many addresses as `rotation_count` says, taken in turn.
    Rotating,
    /// As many exits of an anonymising network; other actors use the same exits.
    Tor,
}

/// What a client's handshake looks like.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Print {
    /// The same each time. The text is a name: equal texts look equal, different ones different.
    Fixed(String),
    /// The same client that permutes what it sends each time, as browsers do.
    Shuffled(String),
}

/// Fingerprints from a day on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tools {
    pub from_day: i64,
    pub ja3: Vec<Print>,
    pub hassh: Vec<Print>,
}

/// Somebody who acts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actor {
    pub id: String,
    /// The person behind it, if several actors of the story are one.
    pub identity: Option<String>,
    pub asn: Option<u32>,
    pub pool: Pool,
    pub rotation_count: u64,
    pub rotation_asns: Vec<u32>,
    /// Addresses by name: actors that name the same share it.
    pub addresses: Vec<String>,
    /// In the order of `from_day`; the first holds from the beginning.
    pub tools: Vec<Tools>,
    pub hours: Vec<i64>,
    pub jitter_seconds: i64,
    /// Empty: every day of the campaign.
    pub active_days: Vec<i64>,
    /// Chance that a piece of evidence of a session is not seen.
    pub missing: f64,
}

/// What an actor does in one phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    pub phase: Phase,
    /// Index into the campaign's actors.
    pub actor: usize,
    pub signature: Signature,
    pub target: Target,
    pub dwell_seconds: i64,
    pub success_rate: f64,
    /// Empty: the actor's days.
    pub days: Vec<i64>,
}

/// What a tool leaves behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signature {
    /// `None`: what is usual in the phase.
    pub commands: Option<Vec<String>>,
    pub credentials: Vec<(String, String)>,
    pub c2: Vec<String>,
    /// Sha256 of each, as hex.
    pub payloads: Vec<String>,
    pub user_agent: Option<String>,
    pub paths: Vec<String>,
}

/// Where an act happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub count: u64,
    pub decky: Which,
    pub service: Option<String>,
    pub port: Option<u16>,
}

/// Which decky.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Which {
    /// Any, at random for each session.
    #[default]
    Any,
    /// Where this actor last broke in or stayed; failing that, another of the campaign; failing that, the first decky.
    PreviousSuccess,
    /// This one.
    Named(String),
}

impl Corpus {
    /// Reads a story. `include` gives the text of a story that this one includes by name.
    pub fn read(text: &str, include: &dyn Fn(&str) -> Option<String>) -> Result<Self, StoryError> {
        language::corpus(text, include, 0)
    }

    /// Puts several stories together. Campaigns of the same id stay apart.
    #[must_use]
    pub fn merged(stories: impl IntoIterator<Item = Self>) -> Self {
        let mut out = Self { deckies: language::DECKIES, ..Self::default() };
        for story in stories {
            out.campaigns.extend(story.campaigns);
            out.scanners += story.scanners;
            out.deckies = out.deckies.max(story.deckies);
            out.warnings.extend(story.warnings);
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for campaign in &mut out.campaigns {
            let times = seen.entry(campaign.id.clone()).or_insert(0);
            *times += 1;
            if *times > 1 {
                campaign.id = format!("{}#{times}", campaign.id);
            }
        }
        out
    }
}
