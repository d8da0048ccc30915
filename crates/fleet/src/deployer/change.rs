//! One decky at a time: services added, taken away and set anew while it runs. The sockets of its other services stay
//! open and their visitors notice nothing.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

use super::Deployer;
use crate::{
    Catalogue, Error, Network, Plan, Planned, PlannedService,
    record::{DeployMode, DeployReport},
};

/// A change to one decky.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Edit {
    /// One service more.
    AddService {
        service: String,
        #[serde(default)]
        knobs: BTreeMap<String, String>,
    },
    /// One service less; the last one stays.
    RemoveService { service: String },
    /// The settings of a service, all of them; running sessions go on with the old ones.
    SetKnobs { service: String, knobs: BTreeMap<String, String> },
    /// Minutes between mutations; `None`: never by itself.
    MutateEvery { minutes: Option<u32> },
}

impl Deployer {
    /// Changes a decky that runs.
    pub async fn edit(&self, name: &str, edit: &Edit) -> Result<DeployReport, Error> {
        let mut fleet = self.fleet.lock().await;
        let old = fleet.state.deckies.get(name).map(|k| &k.plan).ok_or_else(|| Error::NoSuchDecky(name.into()))?;
        let planned = edited(old, edit, self.catalogue)?;
        let plan = Plan { network: Network::default(), deckies: vec![planned], warnings: Vec::new() };
        self.deploy_locked(&mut fleet, &plan, DeployMode::default()).await
    }
}

/// `old` with `edit` done to it, checked as a file would be.
pub(crate) fn edited(old: &Planned, edit: &Edit, catalogue: Catalogue) -> Result<Planned, Error> {
    let mut new = old.clone();
    let find = |service: &str| old.services.iter().position(|s| s.name == *service);
    let missing = |service: &str| Error::Refused(format!("{} does not offer {service}", old.name));
    match edit {
        Edit::AddService { service, knobs } => {
            if find(service).is_some() {
                return Err(Error::Conflict(format!("{} offers {service} already", old.name)));
            }
            new.services.push(PlannedService { name: service.clone(), knobs: knobs.clone() });
            new.left_out.retain(|(name, _)| name != service);
        }
        Edit::RemoveService { service } => {
            let at = find(service).ok_or_else(|| missing(service))?;
            if old.services.len() == 1 {
                return Err(Error::Conflict(format!("{service} is the last service of {}; tear the decky down instead", old.name)));
            }
            new.services.remove(at);
        }
        Edit::SetKnobs { service, knobs } => {
            let at = find(service).ok_or_else(|| missing(service))?;
            if let Some(service) = new.services.get_mut(at) {
                service.knobs.clone_from(knobs);
            }
        }
        Edit::MutateEvery { minutes } => {
            if minutes.is_some_and(|m| !(1..=525_600).contains(&m)) {
                return Err(Error::Refused("the interval is 1 to 525600 minutes".into()));
            }
            new.mutate_interval = *minutes;
        }
    }
    new.services = checked(&new, catalogue)?;
    Ok(new)
}

/// The services of `plan` as the configuration would read them: unknown names, bad values and doors that meet are
/// refused in the words an operator knows.
fn checked(plan: &Planned, catalogue: Catalogue) -> Result<Vec<PlannedService>, Error> {
    let mut decky = toml::Table::new();
    decky.insert("archetype".into(), plan.archetype.clone().into());
    decky.insert("services".into(), plan.services.iter().map(|s| s.name.clone()).collect::<Vec<_>>().into());
    for service in plan.services.iter().filter(|s| !s.knobs.is_empty()) {
        let number = |text: &String| text.parse::<i64>().map_or_else(|_| toml::Value::from(text.clone()), toml::Value::from);
        let kind = |knob: &str| catalogue.find(&service.name).and_then(|d| d.knobs.iter().find(|k| k.name == knob)).map(|k| &k.kind);
        let table: toml::Table = service
            .knobs
            .iter()
            .map(|(knob, value)| {
                let value = match kind(knob) {
                    Some(decoys::KnobKind::Number(..)) => number(value),
                    _ => value.clone().into(),
                };
                (knob.clone(), value)
            })
            .collect();
        decky.insert(service.name.clone(), table.into());
    }
    let mut named = toml::Table::new();
    named.insert("asked".into(), decky.into());
    let mut whole = toml::Table::new();
    whole.insert("decky".into(), named.into());
    let text = toml::to_string(&whole).map_err(|e| Error::Refused(e.to_string()))?;
    let mut read = Plan::parse(&text, Path::new("request.toml"), catalogue).map_err(|e| Error::Refused(e.what()))?;
    read.deckies.pop().map(|d| d.services).ok_or_else(|| Error::Refused("no decky is left".into()))
}

#[cfg(test)]
mod tests {
    use super::{Edit, edited};
    use crate::{Catalogue, Plan};
    use std::{collections::BTreeMap, path::Path};

    #[track_caller]
    fn check(edit: &Edit, expect: Result<&str, &str>) {
        let catalogue = Catalogue::live();
        let old = Plan::parse("[a]\nservices=ssh,http\n[a.ssh]\npassword=0123\n", Path::new("t.ini"), catalogue).unwrap().deckies.remove(0);
        let shown = edited(&old, edit, catalogue).map_err(|e| e.to_string()).map(|new| {
            let one =
                |s: &crate::PlannedService| format!("{}{}", s.name, s.knobs.iter().map(|(k, v)| format!(" {k}={v}")).collect::<String>());
            new.services.iter().map(one).collect::<Vec<_>>().join(", ")
        });
        assert_eq!(shown.as_deref().map_err(String::as_str), expect);
    }

    #[test]
    fn edits_are_checked_as_a_file_is() {
        let add = |service: &str| Edit::AddService { service: service.into(), knobs: BTreeMap::new() };
        let set = |service: &str, knob: &str, value: &str| Edit::SetKnobs {
            service: service.into(),
            knobs: BTreeMap::from([(knob.into(), value.into())]),
        };
        check(&add("redis"), Ok("ssh password=0123, http, redis"));
        check(&add("ssh"), Err("a offers ssh already"));
        check(&Edit::RemoveService { service: "http".into() }, Ok("ssh password=0123"));
        check(&Edit::RemoveService { service: "ftp".into() }, Err("a does not offer ftp"));
        check(&set("ssh", "password", "x y"), Ok("ssh password=x y, http"));
        let wrong = |edit: &Edit| {
            let catalogue = Catalogue::live();
            let old = Plan::parse("[a]\nservices=ssh\n", Path::new("t.ini"), catalogue).unwrap().deckies.remove(0);
            edited(&old, edit, catalogue).unwrap_err().to_string()
        };
        assert!(wrong(&add("gopher")).contains("`gopher` is not a service"), "{}", wrong(&add("gopher")));
        assert!(wrong(&set("ssh", "colour", "blue")).contains("unknown key"));
        assert!(wrong(&set("ssh", "password", "a\nb")).contains("is not a password that can be used"));
        assert_eq!(wrong(&Edit::RemoveService { service: "ssh".into() }), "ssh is the last service of a; tear the decky down instead");
        assert_eq!(wrong(&Edit::MutateEvery { minutes: Some(0) }), "the interval is 1 to 525600 minutes");
    }
}
