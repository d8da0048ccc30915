//! `decnet services | archetypes | distros`: what can be asked for.

use crate::print;
use decoys::{Decoy, KnobKind};
use fleet::{Catalogue, archetypes, catalogue::Port, distros, os};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn services(args: &Args) -> anyhow::Result<()> {
    if args.json {
        let all: Vec<_> = decoys::ALL
            .iter()
            .map(|d| {
                let knobs: Vec<_> = d.knobs.iter().map(|k| json!({ "name": k.name, "help": k.help, "takes": takes(&k.kind) })).collect();
                json!({ "name": d.name, "title": d.title, "ports": ports(d), "knobs": knobs })
            })
            .collect();
        return print::json(&all);
    }
    let knobs = |d: &Decoy| d.knobs.iter().map(|k| format!("{} ({})", k.name, takes(&k.kind))).collect::<Vec<_>>().join(", ");
    print::table(
        &["service", "ports", "what it is", "knobs"],
        decoys::ALL.iter().map(|d| vec![d.name.into(), ports(d).join(" "), d.title.into(), knobs(d)]),
    );
    Ok(())
}

pub(crate) fn archetypes(args: &Args) -> anyhow::Result<()> {
    let live = Catalogue::live();
    if args.json {
        let all: Vec<_> = archetypes::ALL
            .iter()
            .map(|a| {
                let (playable, left_out) = a.playable(live);
                json!({ "slug": a.slug, "title": a.title, "services": a.services, "playable": playable,
                    "left_out": left_out.into_iter().map(|(s, why)| json!({ "service": s, "reason": why })).collect::<Vec<_>>(),
                    "distros": a.distros, "nmap_os": os::name(a.os) })
            })
            .collect();
        return print::json(&all);
    }
    print::table(
        &["archetype", "what it is", "services", "not yet", "distributions", "os family"],
        archetypes::ALL.iter().map(|a| {
            let (playable, left_out) = a.playable(live);
            let missing: Vec<_> = left_out.iter().map(|(service, _)| *service).collect();
            vec![a.slug.into(), a.title.into(), playable.join(" "), missing.join(" "), a.distros.join(" "), os::name(a.os).into()]
        }),
    );
    Ok(())
}

pub(crate) fn distros(args: &Args) -> anyhow::Result<()> {
    if args.json {
        let all: Vec<_> = distros::ALL
            .iter()
            .map(|d| json!({ "slug": d.slug, "title": d.title, "releases": d.releases.iter().map(|r| r.pretty).collect::<Vec<_>>() }))
            .collect();
        return print::json(&all);
    }
    let releases = |d: &distros::Profile| d.releases.iter().map(|r| format!("{} ({})", r.pretty, r.kernel)).collect::<Vec<_>>().join("\n");
    print::table(
        &["distribution", "what it is", "releases"],
        distros::ALL.iter().map(|d| vec![d.slug.into(), d.title.into(), releases(d)]),
    );
    Ok(())
}

fn ports(decoy: &Decoy) -> Vec<String> {
    fleet::catalogue::ports(decoy)
        .into_iter()
        .filter_map(|port| match port {
            Port::Tcp(port) => Some(format!("{port}/tcp")),
            Port::Tls(port) => Some(format!("{port}/tls")),
            Port::Udp(port) => Some(format!("{port}/udp")),
            Port::Side(_) => None,
        })
        .collect()
}

fn takes(kind: &KnobKind) -> String {
    match kind {
        KnobKind::Text => "text".into(),
        KnobKind::Password => "password".into(),
        KnobKind::Number(low, high) => format!("{low}..{high}"),
        KnobKind::Flag => "true or false".into(),
        KnobKind::OneOf(values) => values.join(" | "),
    }
}
