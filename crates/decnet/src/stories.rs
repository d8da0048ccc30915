//! Stories that are shipped, and reading one from a file or by its name.

use crate::config::Wrong;
use anyhow::Context;
use insight::story::Corpus;
use std::path::Path;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// Name and text, in order.
        pub(crate) const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../fixtures/stories/", $name, ".yaml")))),+];
    };
}

shipped![
    "A01_commodity_tools",
    "A02_shuffled_hello",
    "A03_tool_change",
    "A04_nat",
    "A05_address_reused",
    "A06_handoff_only",
    "A07_decoy_infrastructure",
    "A08_wordlist_of_forty",
    "A09_half_missing",
    "A10_noise_100k",
    "F1_shared_wordlist",
    "F2_vpn_hopping",
    "F3_lone_wolf",
    "F4_paused_campaign",
    "F5_multi_operator",
    "F6_noise_floor",
    "F7_slow_burn",
];

/// The text of a shipped story: by its whole name, or by the part before or after the first `_`.
fn shipped(name: &str) -> Option<String> {
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")).unwrap_or(name).to_ascii_lowercase();
    let fits = |known: &str| {
        let known = known.to_ascii_lowercase();
        known == name || known.split_once('_').is_some_and(|(short, long)| short == name || long == name)
    };
    SHIPPED.iter().find(|(known, _)| fits(known)).map(|(_, text)| (*text).to_owned())
}

/// Reads one story: a file, or a shipped one by name.
pub(crate) fn read(story: &Path) -> anyhow::Result<Corpus> {
    let text = match std::fs::read_to_string(story) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match story.to_str().filter(|s| !s.contains('/')).and_then(shipped) {
            Some(text) => text,
            None => return Err(Wrong(format!("there is no story {}: neither a file nor one that is shipped", story.display())).into()),
        },
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", story.display())),
    };
    let beside = story.parent().map(Path::to_owned).unwrap_or_default();
    let include = |name: &str| {
        ["", ".yaml", ".yml"]
            .iter()
            .find_map(|end| std::fs::read_to_string(beside.join(format!("{name}{end}"))).ok())
            .or_else(|| shipped(name))
    };
    Ok(Corpus::read(&text, &include).map_err(|error| Wrong(format!("{}: {error}", story.display())))?)
}

/// Reads several stories as one corpus.
pub(crate) fn read_all(stories: &[std::path::PathBuf]) -> anyhow::Result<Corpus> {
    Ok(Corpus::merged(stories.iter().map(|story| read(story)).collect::<anyhow::Result<Vec<_>>>()?))
}
