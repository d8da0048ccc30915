//! The phases of an intrusion by the names of the Unified Kill Chain, and the stage each belongs to.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where in an intrusion something belongs. Declared in the order of [`Phase::ALL`], which is the order they are drawn in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Reconnaissance,
    ResourceDevelopment,
    Weaponization,
    Delivery,
    SocialEngineering,
    Exploitation,
    Persistence,
    DefenseEvasion,
    CommandAndControl,
    Pivoting,
    Discovery,
    PrivilegeEscalation,
    Execution,
    CredentialAccess,
    LateralMovement,
    Collection,
    Exfiltration,
    Impact,
    Objectives,
}

/// The three stages: getting in, moving through, acting out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    In,
    Through,
    Out,
}

/// No phase or stage has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {what} is called {name:?}")]
pub struct NoSuchPhase {
    /// `phase` or `stage`.
    pub what: &'static str,
    /// What was asked for, cut at 64 characters.
    pub name: String,
}

impl Phase {
    /// All nineteen, in order.
    pub const ALL: [Self; 19] = [
        Self::Reconnaissance,
        Self::ResourceDevelopment,
        Self::Weaponization,
        Self::Delivery,
        Self::SocialEngineering,
        Self::Exploitation,
        Self::Persistence,
        Self::DefenseEvasion,
        Self::CommandAndControl,
        Self::Pivoting,
        Self::Discovery,
        Self::PrivilegeEscalation,
        Self::Execution,
        Self::CredentialAccess,
        Self::LateralMovement,
        Self::Collection,
        Self::Exfiltration,
        Self::Impact,
        Self::Objectives,
    ];

    /// The stored name: `credential_access`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reconnaissance => "reconnaissance",
            Self::ResourceDevelopment => "resource_development",
            Self::Weaponization => "weaponization",
            Self::Delivery => "delivery",
            Self::SocialEngineering => "social_engineering",
            Self::Exploitation => "exploitation",
            Self::Persistence => "persistence",
            Self::DefenseEvasion => "defense_evasion",
            Self::CommandAndControl => "command_and_control",
            Self::Pivoting => "pivoting",
            Self::Discovery => "discovery",
            Self::PrivilegeEscalation => "privilege_escalation",
            Self::Execution => "execution",
            Self::CredentialAccess => "credential_access",
            Self::LateralMovement => "lateral_movement",
            Self::Collection => "collection",
            Self::Exfiltration => "exfiltration",
            Self::Impact => "impact",
            Self::Objectives => "objectives",
        }
    }

    /// The stage it belongs to.
    pub fn stage(self) -> Stage {
        match self {
            Self::Reconnaissance
            | Self::ResourceDevelopment
            | Self::Weaponization
            | Self::Delivery
            | Self::SocialEngineering
            | Self::Exploitation
            | Self::Persistence
            | Self::DefenseEvasion
            | Self::CommandAndControl => Stage::In,
            Self::Pivoting
            | Self::Discovery
            | Self::PrivilegeEscalation
            | Self::Execution
            | Self::CredentialAccess
            | Self::LateralMovement => Stage::Through,
            Self::Collection | Self::Exfiltration | Self::Impact | Self::Objectives => Stage::Out,
        }
    }

    /// Whether a decky can see it at all. Preparing tools and talking people round happen elsewhere.
    pub fn observable(self) -> bool {
        !matches!(self, Self::Reconnaissance | Self::ResourceDevelopment | Self::Weaponization | Self::SocialEngineering)
    }
}

impl Stage {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::In, Self::Through, Self::Out];

    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Through => "through",
            Self::Out => "out",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = NoSuchPhase;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|p| p.as_str() == name).ok_or_else(|| no_such("phase", name))
    }
}

impl FromStr for Stage {
    type Err = NoSuchPhase;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.as_str() == name).ok_or_else(|| no_such("stage", name))
    }
}

fn no_such(what: &'static str, name: &str) -> NoSuchPhase {
    NoSuchPhase { what, name: name.chars().take(64).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_is_called_what_it_is_stored_as() {
        for (at, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, at);
            assert_eq!(phase.to_string().parse(), Ok(phase));
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
        }
        for stage in Stage::ALL {
            assert_eq!(stage.as_str().parse(), Ok(stage));
            assert_eq!(serde_json::to_value(stage).unwrap(), stage.as_str());
        }
        assert!("Delivery".parse::<Phase>().is_err());
    }

    #[test]
    fn nine_in_six_through_four_out_and_fifteen_to_be_seen() {
        let of = |stage| Phase::ALL.into_iter().filter(|p| p.stage() == stage).count();
        assert_eq!(Stage::ALL.map(of), [9, 6, 4]);
        assert_eq!(Phase::ALL.into_iter().filter(|p| p.observable()).count(), 15);
    }
}
