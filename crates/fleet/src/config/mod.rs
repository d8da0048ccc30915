//! From a file to a [`Plan`]: two forms (TOML, documented; INI, as operators already have it), one check.
//!
//! ```toml
//! [network]
//! subnet = "10.20.0.0/24"        # all keys optional; taken from the interface if not given
//! subnet6 = "fd20::/64"
//! gateway = "10.20.0.1"
//! interface = "eth0"
//! reserved = ["10.20.0.5"]
//! mutate_interval = 30            # minutes, for deckies that set none
//!
//! [decky.web]                     # amount = 3 makes web-01, web-02, web-03
//! archetype = "web-server"        # or services = ["http", "ftp"]
//! amount = 3
//! distro = "debian"
//! nmap_os = "linux"
//!
//! [decky.web.http]                # knobs of one service
//! server_header = "nginx/1.22.1"
//! ```

mod check;
mod error;
mod ini_form;
mod raw;
mod toml_form;

use std::path::Path;

use crate::{Catalogue, Plan};
pub use error::ConfigError;

/// Largest file read, in bytes.
const LARGEST: u64 = 512 * 1024;

/// Reads and checks the file at `path`.
pub(crate) fn read(path: &Path, catalogue: Catalogue) -> Result<Plan, ConfigError> {
    let whole = |message: String, allowed: &str| ConfigError::new(path, 0, "", message, allowed);
    let size = std::fs::metadata(path).map_err(|e| whole(format!("cannot be read: {e}"), ""))?.len();
    if size > LARGEST {
        return Err(whole(format!("is {size} bytes long"), "at most 524288 bytes"));
    }
    let bytes = std::fs::read(path).map_err(|e| whole(format!("cannot be read: {e}"), ""))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes().iter().take(e.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count();
        ConfigError::new(path, u32::try_from(line + 1).unwrap_or(0), "", "is not UTF-8 text", "")
    })?;
    parse(&text, path, catalogue)
}

/// Checks `text`. A name ending in `.toml` is TOML, in `.ini`, `.conf` or `.cfg` INI; else its looks decide.
pub(crate) fn parse(text: &str, file: &Path, catalogue: Catalogue) -> Result<Plan, ConfigError> {
    let suffix = file.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    let toml = match suffix.as_str() {
        "toml" => true,
        "ini" | "conf" | "cfg" => false,
        _ => text.lines().any(|l| l.trim_start().starts_with("[network") || l.trim_start().starts_with("[decky.")),
    };
    let raw = if toml { toml_form::parse(text, file)? } else { ini_form::parse(text, file, catalogue)? };
    check::check(raw, file, catalogue)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) fn tests_decoys() -> &'static [&'static decoys::Decoy] {
    tests::DECOYS
}
