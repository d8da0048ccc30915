//! Access tokens: JWT, HS256, signed by a key derived from the deployment's secret.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::ErrorKind,
    signature::{self, Signer, Verifier},
};
use model::Micros;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who made the token.
const ISSUER: &str = "decnet";
/// Who it is for.
const AUDIENCE: &str = "decnet-dashboard";

/// What a token says. Whether it still counts is asked of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub iss: String,
    pub aud: String,
    /// Always `access`.
    pub typ: String,
    /// UUID of the account.
    pub sub: String,
    pub role: String,
    /// Names this token.
    pub jti: String,
    /// Names the session: all tokens that come from one sign-in.
    pub sid: String,
    /// Issued, seconds.
    pub iat: i64,
    /// Void from here, seconds.
    pub exp: i64,
    /// Issued, microseconds: two tokens of one second are told apart by a change of password.
    pub ius: i64,
    /// When the session began (sign-in), seconds.
    pub auth_time: i64,
}

impl Claims {
    /// For the account `sub`. `session` and `since` go on for a refreshed token.
    pub(crate) fn new(sub: &str, role: &str, session: (String, Micros), now: Micros, life: Duration, random: [u8; 16]) -> Self {
        Self {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            typ: "access".into(),
            sub: sub.into(),
            role: role.into(),
            jti: hex::encode(random),
            sid: session.0,
            iat: now.seconds(),
            exp: now.plus(life).seconds(),
            ius: now.0,
            auth_time: session.1.seconds(),
        }
    }

    /// Whether its time is over.
    pub(crate) fn expired(&self, now: Micros) -> bool {
        now.seconds() >= self.exp
    }
}

/// Signs and checks tokens.
pub(crate) struct Keys {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

impl Keys {
    /// The keys of a deployment.
    pub(crate) fn derive(secret: &[u8; 32]) -> Self {
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"decnet/v1/api tokens");
        // A second call in one process says that the first did it.
        let _ = RING.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Time is an argument here; see `read`.
        validation.validate_exp = false;
        Self { signing: EncodingKey::from_secret(key.as_ref()), checking: DecodingKey::from_secret(key.as_ref()), validation }
    }

    /// The token that says `claims`.
    pub(crate) fn write(&self, claims: &Claims) -> Option<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing).ok()
    }

    /// What a token says, if we signed it and its time is not over.
    pub(crate) fn read(&self, token: &str, now: Micros) -> Option<Claims> {
        if token.len() > 2048 {
            return None;
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation).ok()?.claims;
        (claims.typ == "access" && !claims.expired(now)).then_some(claims)
    }
}

struct Mac(hmac::Key);

impl Signer<Vec<u8>> for Mac {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Mac {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, tag).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Mac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Mac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn mac(algorithm: Algorithm, key: &[u8]) -> Result<Box<Mac>, jsonwebtoken::errors::Error> {
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(Mac(hmac::Key::new(hmac::HMAC_SHA256, key)))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

/// HS256 on ring and nothing else.
static RING: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(mac(*algorithm, key.as_bytes())?),
    verifier_factory: |algorithm, key| Ok(mac(*algorithm, key.try_get_as_bytes()?)?),
    key_utils: KeyUtils::new_unimplemented(),
};

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;

    const NOW: Micros = Micros(1_795_000_000_000_000);

    fn claims() -> Claims {
        Claims::new("u", "viewer", ("s".into(), NOW), NOW, Duration::from_secs(60), [1; 16])
    }

    #[test]
    fn a_token_is_read_by_the_deployment_that_wrote_it_until_it_expires() {
        let keys = Keys::derive(&[7; 32]);
        let token = keys.write(&claims()).unwrap();
        assert_eq!(keys.read(&token, NOW), Some(claims()));
        assert_eq!(keys.read(&token, NOW.plus(Duration::from_secs(59))), Some(claims()));
        assert_eq!(keys.read(&token, NOW.plus(Duration::from_secs(60))), None);
        assert_eq!(Keys::derive(&[8; 32]).read(&token, NOW), None);
    }

    #[test]
    fn forgeries_are_refused() {
        let keys = Keys::derive(&[7; 32]);
        let token = keys.write(&claims()).unwrap();
        let b64 = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let body = token.split('.').nth(1).unwrap();
        let sig = token.split('.').nth(2).unwrap();
        for bad in [
            String::new(),
            "..".into(),
            format!("{}.{body}.", b64(r#"{"alg":"none","typ":"JWT"}"#)),
            format!("{}.{body}.{sig}", b64(r#"{"alg":"HS512","typ":"JWT"}"#)),
            format!("{}.{body}.{sig}", b64(r#"{"alg":"RS256","typ":"JWT"}"#)),
            format!("{token}x"),
            "x".repeat(5000),
        ] {
            assert_eq!(keys.read(&bad, NOW), None, "{bad}");
        }
        for wrong in
            [Claims { iss: "x".into(), ..claims() }, Claims { aud: "x".into(), ..claims() }, Claims { typ: "refresh".into(), ..claims() }]
        {
            let token = keys.write(&wrong).unwrap();
            assert_eq!(keys.read(&token, NOW), None, "{wrong:?}");
        }
    }
}
