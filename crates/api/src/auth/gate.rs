//! Who may pass: extractors that stand in a handler's arguments.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};

use super::{Who, tickets};
use crate::{Api, Config, Problem, routes::config::Role};

/// Anybody signed in, even before a forced change of password.
#[derive(Debug)]
pub struct Anyone(pub Arc<Who>);
/// Anybody signed in.
#[derive(Debug)]
pub struct Viewer(pub Arc<Who>);
/// An admin.
#[derive(Debug)]
pub struct Admin(pub Arc<Who>);
/// Anybody signed in; a ticket or a token in the address counts too.
#[derive(Debug)]
pub struct StreamViewer(pub Arc<Who>);
/// Somebody on this host, or anybody signed in.
#[derive(Debug)]
pub struct MetricsReader;
/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn changed(who: Arc<Who>) -> Result<Arc<Who>, Problem> {
    if who.must_change { Err(Problem::must_change()) } else { Ok(who) }
}

async fn by_header(parts: &Parts, api: &Api) -> Result<Arc<Who>, Problem> {
    let token = bearer(&parts.headers).ok_or_else(|| Problem::unauthorized("sign in: send Authorization: Bearer <token>"))?;
    api.auth().who(api, token).await
}

impl FromRequestParts<Api> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        by_header(parts, api).await.map(Self)
    }
}

impl FromRequestParts<Api> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        changed(by_header(parts, api).await?).map(Self)
    }
}

impl FromRequestParts<Api> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let who = changed(by_header(parts, api).await?)?;
        if who.role == Role::Admin { Ok(Self(who)) } else { Err(Problem::forbidden("only admins may do this")) }
    }
}

impl FromRequestParts<Api> for StreamViewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        if bearer(&parts.headers).is_some() {
            return changed(by_header(parts, api).await?).map(Self);
        }
        let query = parts.uri.query().unwrap_or_default();
        // Tickets and tokens need no decoding: both are made of unreserved characters.
        let value = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, value)| *key == name && !value.is_empty())
                .map(|(_, value)| value)
        };
        let who = if let Some(ticket) = value("ticket") {
            let claims = api.auth().tickets().redeem(ticket, api.now()).ok_or_else(|| Problem::unauthorized(tickets::SPENT))?;
            Arc::new(api.auth().still(api, &claims).await?)
        } else if let Some(token) = value("token") {
            api.auth().who(api, token).await?
        } else {
            return Err(Problem::unauthorized("sign in: send a bearer token, ?ticket= or ?token="));
        };
        changed(who).map(Self)
    }
}

impl FromRequestParts<Api> for MetricsReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        // Something that forwards for others does not make them local.
        let forwarded = parts.headers.contains_key("x-forwarded-for") || parts.headers.contains_key(header::FORWARDED);
        let local = parts.extensions.get::<ConnectInfo<SocketAddr>>().is_some_and(|peer| peer.0.ip().to_canonical().is_loopback());
        if local && !forwarded && bearer(&parts.headers).is_none() {
            return Ok(Self);
        }
        changed(by_header(parts, api).await?).map(|_| Self)
    }
}

impl FromRequestParts<Api> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |c| c.0.ip().to_canonical());
        Ok(Self(origin(peer, &parts.headers, api.config())))
    }
}

/// The nearest address that is not one of our proxies.
fn origin(peer: IpAddr, headers: &HeaderMap, config: &Config) -> IpAddr {
    let mut at = peer;
    let named: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).collect();
    for hop in named.iter().rev() {
        if !config.trusted_proxies.contains(&at) {
            break;
        }
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
        at = ip.to_canonical();
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_may_speak_for_others() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "203.0.113.5, 192.0.2.9".parse().unwrap());
        let none = Config::default();
        assert_eq!(origin(ip("10.0.0.1"), &headers, &none), ip("10.0.0.1"));
        let one = Config { trusted_proxies: vec![ip("10.0.0.1")], ..Config::default() };
        assert_eq!(origin(ip("10.0.0.1"), &headers, &one), ip("192.0.2.9"));
        assert_eq!(origin(ip("10.0.0.2"), &headers, &one), ip("10.0.0.2"));
        let two = Config { trusted_proxies: vec![ip("10.0.0.1"), ip("192.0.2.9")], ..Config::default() };
        assert_eq!(origin(ip("10.0.0.1"), &headers, &two), ip("203.0.113.5"));
    }
}
