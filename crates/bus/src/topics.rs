//! Every subject that is said, by name. Those with a part that varies are functions.

/// Rows were committed: `{first_id, last_id, count}`. From the recorder.
pub const SYSTEM_LOG: &str = "system.log";
/// A source was seen for the first time: `{attacker_uuid, attacker_ip, first_seen}`. From the profiler.
pub const ATTACKER_OBSERVED: &str = "attacker.observed";
/// A source's profile changed: `{attacker_uuid, attacker_ip, event_count, …}`. From the profiler.
pub const ATTACKER_SCORED: &str = "attacker.scored";
/// A credential was stored: `{secret_sha256, secret_kind, attacker_ip, decky, service}`. From the recorder.
pub const CREDENTIAL_CAPTURED: &str = "credential.captured";
/// A secret came back in more than one place, new or in more places than before: `{id, scope, secret_kind, target_count,
/// attacker_uuids, attacker_ips, deckies, services, rarity}`. From the reuse correlator.
pub const CREDENTIAL_REUSE_DETECTED: &str = "credential.reuse.detected";
/// Outside providers were asked about a source: `{attacker_uuid, attacker_ip, aggregate_verdict, providers}`; `providers`:
/// those that answered.
pub const ATTACKER_INTEL_ENRICHED: &str = "attacker.intel.enriched";
/// An actor was found: `{identity_uuid, observation_uuids, confidence, reason}`. From the clusterer, as all `identity.*`
/// but the last.
pub const IDENTITY_FORMED: &str = "identity.formed";
/// An observation joined an identity: `{identity_uuid, observation_uuid, prior_identity_uuid, confidence, reason}`.
pub const IDENTITY_LINKED: &str = "identity.observation.linked";
/// Two identities are one: `{winner_uuid, loser_uuid, confidence, reason}`.
pub const IDENTITY_MERGED: &str = "identity.merged";
/// They are not after all: `{resurrected_uuid, former_winner_uuid, confidence, reason}`.
pub const IDENTITY_UNMERGED: &str = "identity.unmerged";
/// An identity belongs to a campaign: `{identity_uuid, campaign_uuid, prior_campaign_uuid, confidence, reason}`. From the
/// campaign clusterer, as all `campaign.*`.
pub const IDENTITY_ASSIGNED: &str = "identity.campaign.assigned";
/// A campaign was found: `{campaign_uuid, identity_uuids, confidence, reason}`.
pub const CAMPAIGN_FORMED: &str = "campaign.formed";
/// An identity joined a campaign: `{campaign_uuid, identity_uuid, prior_campaign_uuid, confidence, reason}`.
pub const CAMPAIGN_ASSIGNED: &str = "campaign.identity.assigned";
/// Two campaigns are one: `{winner_uuid, loser_uuid, confidence, reason}`.
pub const CAMPAIGN_MERGED: &str = "campaign.merged";
/// They are not after all: `{resurrected_uuid, former_winner_uuid, confidence, reason}`.
pub const CAMPAIGN_UNMERGED: &str = "campaign.unmerged";
/// Everything about identities.
pub const ALL_IDENTITIES: &str = "identity.>";
/// Everything about campaigns.
pub const ALL_CAMPAIGNS: &str = "campaign.>";
/// All heartbeats.
pub const ALL_HEALTH: &str = "system.*.health";
/// All changes of deckies.
pub const ALL_DECKY_STATES: &str = "decky.*.state";

/// All wishes that a decky may change.
pub const ALL_MUTATE_REQUESTS: &str = "decky.*.mutate_request";

/// A worker's heartbeat.
pub fn health(worker: &str) -> String {
    format!("system.{}.health", crate::subject::token(worker))
}

/// What a worker is asked to do: `{action: stop|start, requested_by}`.
pub fn control(worker: &str) -> String {
    format!("system.{}.control", crate::subject::token(worker))
}

/// A decky changed: `{name, strategy, trigger, old_services, new_services}`. From the fleet.
pub fn decky_mutated(decky: &str) -> String {
    format!("decky.{}.mutated", crate::subject::token(decky))
}

/// An operator wants a decky to change: `{requested_by}`. Wakes the mutator; the wish itself is kept by the fleet.
pub fn mutate_request(decky: &str) -> String {
    format!("decky.{}.mutate_request", crate::subject::token(decky))
}

/// A row of a decky changed: `{host_uuid, name, state, transition, previous_state}`, transition `inserted`, `deleted`,
/// `state_changed` or `refreshed` (the same state, something else changed). Silence when nothing did.
pub fn decky_state(decky: &str) -> String {
    format!("decky.{}.state", crate::subject::token(decky))
}
