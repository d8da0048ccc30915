//! Who somebody is and what they may do. Tokens are bearer tokens and there are no cookies, so no page of
//! another site can act for a signed-in person.

pub mod gate;
pub mod password;
mod throttle;
mod tickets;
mod token;

pub use gate::{Admin, Anyone, MetricsReader, Peer, StreamViewer, Viewer};

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::http::StatusCode;
use model::{Id, Micros, User};
use parking_lot::RwLock;
use store::{UserRow, UserSecret};

use crate::{
    Api, Cx, Problem,
    routes::{
        auth::{ChangePassword, Login, Me, Ticket, Token},
        config::{NewUser, Role},
    },
};
use password::Hasher;
use throttle::Throttle;
use tickets::Tickets;
use token::{Claims, Keys};

/// How long the store's word on a token is believed.
const BELIEVED_US: i64 = 3_000_000;
/// Tokens whose check is remembered.
const MOST_KNOWN: usize = 10_000;

/// Somebody signed in.
#[derive(Clone, Debug)]
pub struct Who {
    pub uuid: String,
    pub username: String,
    pub role: Role,
    /// Only changing the password is allowed.
    pub must_change: bool,
    claims: Claims,
}

impl Who {
    /// Whether this is an admin.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

/// What is believed of a token whose signature was checked.
struct Belief {
    claims: Claims,
    /// Who it is, until when.
    now: RwLock<(Arc<Who>, Micros)>,
    /// Held by the one who asks the store again; the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
}

impl Belief {
    fn holds(&self, now: Micros) -> Option<Arc<Who>> {
        let (who, until) = &*self.now.read();
        (now < *until && !self.claims.expired(now)).then(|| Arc::clone(who))
    }
}

/// Until when the store's word of now is believed.
fn believed(now: Micros) -> Micros {
    Micros(now.0.saturating_add(BELIEVED_US))
}

/// Everything about signing in.
pub struct Auth {
    keys: Keys,
    hasher: Hasher,
    throttle: Throttle,
    tickets: Tickets,
    known: RwLock<HashMap<Box<str>, Arc<Belief>>>,
    token_life: Duration,
    session_life: Duration,
}

impl Auth {
    /// With the keys of the deployment.
    pub fn new(cx: &Cx) -> Self {
        Self {
            keys: Keys::derive(&cx.secret),
            hasher: Hasher::new(cx.config.password_checks),
            throttle: Throttle::default(),
            tickets: Tickets::default(),
            known: RwLock::default(),
            token_life: cx.config.token_life,
            session_life: cx.config.session_life,
        }
    }

    pub(crate) fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// Whose token this is, or 401. The store is asked at most every few seconds for each token.
    pub(crate) async fn who(&self, api: &Api, token: &str) -> Result<Arc<Who>, Problem> {
        let now = api.now();
        let belief = self.known.read().get(token).cloned();
        if let Some(belief) = belief.filter(|belief| !belief.claims.expired(now)) {
            return match belief.holds(now) {
                Some(who) => Ok(who),
                None => self.again(api, token, &belief).await,
            };
        }
        let claims = self.keys.read(token, now).ok_or_else(|| Problem::unauthorized("the token is not valid or has expired"))?;
        let who = Arc::new(self.still(api, &claims).await?);
        let mut known = self.known.write();
        if known.len() >= MOST_KNOWN {
            known.retain(|_, belief| belief.holds(now).is_some());
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
        }
        let belief = Belief { claims, now: RwLock::new((Arc::clone(&who), believed(now))), asking: tokio::sync::Mutex::new(()) };
        known.insert(token.into(), Arc::new(belief));
        Ok(who)
    }

    /// Asks the store again, once for all who wait for the answer.
    async fn again(&self, api: &Api, token: &str, belief: &Belief) -> Result<Arc<Who>, Problem> {
        let _one = belief.asking.lock().await;
        let now = api.now();
        if let Some(who) = belief.holds(now) {
            return Ok(who);
        }
        let who = match self.still(api, &belief.claims).await {
            Ok(who) => Arc::new(who),
            // The store is away and knows nothing newer: who was let in before stays, until the token ends.
            Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE => Arc::clone(&belief.now.read().0),
            Err(problem) => {
                self.known.write().remove(token);
                return Err(problem);
            }
        };
        *belief.now.write() = (Arc::clone(&who), believed(now));
        Ok(who)
    }

    /// Whether what a token says still counts: the account is there, the session was not ended, the password
    /// and the role were not changed since.
    pub(crate) async fn still(&self, api: &Api, claims: &Claims) -> Result<Who, Problem> {
        let over = || Problem::unauthorized("the session has ended; sign in again");
        let UserSecret { user, tokens_valid_from, .. } = api.store().user(&claims.sub).await?.ok_or_else(over)?;
        if tokens_valid_from.is_some_and(|from| claims.ius < from.0.0) || self.session_left(claims, api.now()).is_zero() {
            return Err(over());
        }
        if api.store().token_revoked(&claims.jti).await? || api.store().token_revoked(&claims.sid).await? {
            return Err(over());
        }
        Ok(Who {
            uuid: user.uuid,
            username: user.username,
            role: Role::from_stored(&user.role),
            must_change: user.must_change_password,
            claims: claims.clone(),
        })
    }

    /// Whether somebody who was let in may stay.
    pub(crate) async fn may_stay(&self, api: &Api, who: &Who) -> Result<(), Problem> {
        self.still(api, &who.claims).await.map(|_| ())
    }

    fn session_left(&self, claims: &Claims, now: Micros) -> Duration {
        Micros(claims.auth_time.saturating_mul(1_000_000)).plus(self.session_life).since(now)
    }

    fn forget(&self, uuid: &str) {
        self.known.write().retain(|_, belief| belief.now.read().0.uuid != uuid);
    }

    fn token(&self, user: &UserRow, session: (String, Micros), now: Micros) -> Result<Token, Problem> {
        let left = session.1.plus(self.session_life).since(now);
        let life = self.token_life.min(left);
        let claims = Claims::new(&user.uuid, &user.role, session, now, life, rand::random());
        let access_token = self.keys.write(&claims).ok_or_else(|| Problem::internal(&"the token cannot be signed"))?;
        Ok(Token {
            access_token,
            token_type: "bearer",
            expires_in: life.as_secs(),
            session_expires_in: left.as_secs(),
            must_change_password: user.must_change_password,
            role: user.role.clone(),
            username: user.username.clone(),
        })
    }

    fn session() -> String {
        hex::encode(rand::random::<[u8; 16]>())
    }

    // --- the own account

    pub(crate) async fn login(&self, api: &Api, peer: Peer, login: Login) -> Result<Token, Problem> {
        let Login { username, password } = login;
        let attempt = self.attempt(api, peer, &username)?;
        tokio::time::sleep(attempt.delay).await;
        let kept = if username.chars().count() > 64 { None } else { api.store().user_by_name(&username).await? };
        let too_long = password.len() > password::MAX_BYTES;
        let hash = kept.as_ref().filter(|_| !too_long).map(|u| u.password_hash.clone());
        let password = if too_long { String::new() } else { password };
        let fits = self.hasher.fits(password, hash).await?;
        let now = api.now();
        let Some(kept) = kept.filter(|_| fits) else {
            attempt.failed(now);
            tracing::warn!(from = %peer.0, username = username.escape_debug().to_string(), "sign-in refused");
            return Err(Problem::unauthorized("unknown name or wrong password"));
        };
        attempt.succeeded();
        tracing::info!(from = %peer.0, username = kept.user.username, "signed in");
        self.token(&kept.user, (Self::session(), now), now)
    }

    fn attempt(&self, api: &Api, peer: Peer, name: &str) -> Result<throttle::Attempt<'_>, Problem> {
        self.throttle
            .attempt(peer.0, name, api.now())
            .map_err(|seconds| Problem::slow_down(format!("too many wrong passwords from your address; wait {seconds} s"), seconds))
    }

    pub(crate) async fn revoke(&self, api: &Api, who: &Who) -> Result<(), Problem> {
        let until = Micros(who.claims.auth_time.saturating_mul(1_000_000)).plus(self.session_life).plus(self.token_life);
        api.store().revoke_token(&who.claims.jti, &who.uuid, until).await?;
        api.store().revoke_token(&who.claims.sid, &who.uuid, until).await?;
        self.forget(&who.uuid);
        api.hub().recheck();
        Ok(())
    }

    pub(crate) fn refresh(&self, api: &Api, who: &Who) -> Result<Token, Problem> {
        let now = api.now();
        let user = UserRow {
            uuid: who.uuid.clone(),
            username: who.username.clone(),
            role: who.role.as_str().into(),
            must_change_password: who.must_change,
        };
        let since = Micros(who.claims.auth_time.saturating_mul(1_000_000));
        self.token(&user, (who.claims.sid.clone(), since), now)
    }

    pub(crate) async fn change_password(&self, api: &Api, who: &Who, peer: Peer, change: ChangePassword) -> Result<Token, Problem> {
        let ChangePassword { old_password, new_password } = change;
        password::check_rules(&who.username, &new_password)?;
        if old_password == new_password {
            return Err(Problem::invalid("the new password is the old one"));
        }
        let attempt = self.attempt(api, peer, &who.username)?;
        let kept = api.store().user(&who.uuid).await?.ok_or_else(|| Problem::unauthorized("the account is gone"))?;
        if old_password.len() > password::MAX_BYTES || !self.hasher.fits(old_password, Some(kept.password_hash)).await? {
            attempt.failed(api.now());
            return Err(Problem::unauthorized("the old password is wrong"));
        }
        attempt.succeeded();
        let hash = self.hasher.hash(new_password).await?;
        let now = api.now();
        api.store().set_password(&who.uuid, &hash, false, now).await?;
        self.forget(&who.uuid);
        api.hub().recheck();
        tracing::info!(username = who.username, "password changed");
        let user = UserRow { must_change_password: false, ..kept.user };
        self.token(&user, (Self::session(), now), now)
    }

    pub(crate) fn ticket(&self, who: &Who, now: Micros) -> Result<Ticket, Problem> {
        let ticket = self.tickets.issue(who.claims.clone(), now, rand::random())?;
        Ok(Ticket { ticket, expires_in: tickets::LIFE.as_secs() })
    }

    pub(crate) fn me(&self, who: &Who, now: Micros) -> Me {
        Me {
            uuid: who.uuid.clone(),
            username: who.username.clone(),
            role: who.role.as_str().into(),
            must_change_password: who.must_change,
            expires_in: u64::try_from(who.claims.exp - now.seconds()).unwrap_or(0),
            session_expires_in: self.session_left(&who.claims, now).as_secs(),
        }
    }

    // --- other accounts

    pub(crate) async fn add_user(&self, api: &Api, by: &Who, new: NewUser) -> Result<UserRow, Problem> {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
        if new.username.is_empty() || new.username.chars().count() > 64 || !new.username.chars().all(allowed) {
            return Err(Problem::invalid("username must be 1 to 64 letters, digits, '.', '_', '-' or '@'"));
        }
        password::check_rules(&new.username, &new.password)?;
        let user = UserRow {
            uuid: Id::<User>::at(api.now(), rand::random()).to_string(),
            username: new.username,
            role: new.role.as_str().into(),
            must_change_password: true,
        };
        let hash = self.hasher.hash(new.password).await?;
        api.store().add_user(&user, &hash).await?;
        tracing::info!(by = by.username, username = user.username, role = user.role, "account added");
        Ok(user)
    }

    pub(crate) async fn remove_user(&self, api: &Api, by: &Who, uuid: &str) -> Result<(), Problem> {
        if by.uuid == uuid {
            return Err(Problem::forbidden("nobody removes their own account; another admin can"));
        }
        self.done(api, by, uuid, api.store().remove_user(uuid).await?, "account removed")
    }

    pub(crate) async fn reset_password(&self, api: &Api, by: &Who, uuid: &str, new: &str) -> Result<(), Problem> {
        let kept = api.store().user(uuid).await?.ok_or_else(|| Problem::not_found("account"))?;
        password::check_rules(&kept.user.username, new)?;
        let hash = self.hasher.hash(new.to_owned()).await?;
        self.done(api, by, uuid, api.store().set_password(uuid, &hash, true, api.now()).await?, "password reset")
    }

    pub(crate) async fn set_role(&self, api: &Api, by: &Who, uuid: &str, role: Role) -> Result<(), Problem> {
        if by.uuid == uuid {
            return Err(Problem::forbidden("nobody changes their own role; another admin can"));
        }
        self.done(api, by, uuid, api.store().set_role(uuid, role.as_str(), api.now()).await?, "role changed")
    }

    fn done(&self, api: &Api, by: &Who, uuid: &str, found: bool, what: &str) -> Result<(), Problem> {
        self.forget(uuid);
        api.hub().recheck();
        if !found {
            return Err(Problem::not_found("account"));
        }
        tracing::info!(by = by.username, account = uuid, "{what}");
        Ok(())
    }
}
