//! Key exchange: negotiation (RFC 4253 §7), the methods, the exchange hash and the keys that follow.

use openssl::{
    bn::{BigNum, BigNumContext},
    derive::Deriver,
    ec::{EcGroup, EcKey, EcPoint, PointConversionForm},
    nid::Nid,
    pkey::PKey,
    sha::{Sha256, Sha384, Sha512},
};
use rand::Rng;
use ring::{agreement, rand::SystemRandom};

use super::{
    cipher::{Cipher, CipherKind},
    mac::{Mac, MacKind},
    message::{Bye, Malformed, Reader, Writer, msg},
    mlkem, moduli,
    packet::Keys,
    profile::{COMPRESSION, Profile},
    sntrup,
};

/// A method of agreeing on a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Sntrup,
    MlKem,
    Curve25519,
    Nist(Nid, Hash),
    Group(Modulus, Hash),
    GroupExchange,
}

/// The hash of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The hash of `parts`, one behind the other.
    fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        macro_rules! hashed {
            ($hasher:ident) => {{
                let mut hasher = $hasher::new();
                parts.iter().for_each(|part| hasher.update(part));
                hasher.finish().to_vec()
            }};
        }
        match self {
            Self::Sha256 => hashed!(Sha256),
            Self::Sha384 => hashed!(Sha384),
            Self::Sha512 => hashed!(Sha512),
        }
    }
}

/// A safe prime of RFC 3526.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modulus {
    Group14,
    Group16,
    Group18,
}

impl Method {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sntrup761x25519-sha512" | "sntrup761x25519-sha512@openssh.com" => Self::Sntrup,
            "mlkem768x25519-sha256" => Self::MlKem,
            "curve25519-sha256" | "curve25519-sha256@libssh.org" => Self::Curve25519,
            "ecdh-sha2-nistp256" => Self::Nist(Nid::X9_62_PRIME256V1, Hash::Sha256),
            "ecdh-sha2-nistp384" => Self::Nist(Nid::SECP384R1, Hash::Sha384),
            "ecdh-sha2-nistp521" => Self::Nist(Nid::SECP521R1, Hash::Sha512),
            "diffie-hellman-group14-sha256" => Self::Group(Modulus::Group14, Hash::Sha256),
            "diffie-hellman-group16-sha512" => Self::Group(Modulus::Group16, Hash::Sha512),
            "diffie-hellman-group18-sha512" => Self::Group(Modulus::Group18, Hash::Sha512),
            "diffie-hellman-group-exchange-sha256" => Self::GroupExchange,
            _ => return None,
        })
    }

    fn hash(self) -> Hash {
        match self {
            Self::Nist(_, hash) | Self::Group(_, hash) => hash,
            Self::Sntrup => Hash::Sha512,
            Self::MlKem | Self::Curve25519 | Self::GroupExchange => Hash::Sha256,
        }
    }
}

/// What a client's KEXINIT says, as far as it matters.
#[derive(Debug)]
pub(super) struct Proposal<'a> {
    lists: [&'a [u8]; 8],
    follows: bool,
}

impl<'a> Proposal<'a> {
    /// Parses a KEXINIT payload.
    pub(super) fn read(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader(payload);
        r.take(17)?;
        let mut lists: [&[u8]; 8] = Default::default();
        for list in &mut lists {
            *list = r.cstring()?;
        }
        r.cstring()?;
        r.cstring()?;
        let follows = r.bool()?;
        r.u32()?;
        r.end()?;
        Ok(Self { lists, follows })
    }

    fn offers(&self, name: &str) -> bool {
        self.lists.first().is_some_and(|l| names(l).any(|n| n == name.as_bytes()))
    }

    /// The client understands EXT_INFO.
    pub(super) fn wants_extensions(&self) -> bool {
        self.offers("ext-info-c")
    }

    /// The client asks for strict key exchange.
    pub(super) fn strict(&self) -> bool {
        self.offers("kex-strict-c-v00@openssh.com")
    }
}

/// What both sides agreed on.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) method: Method,
    pub(super) host_key: String,
    ciphers: [CipherKind; 2],
    macs: [Option<MacKind>; 2],
    compress: [bool; 2],
    /// The client sent a guess after its KEXINIT and it is wrong: the next packet is dropped.
    pub(super) wrong_guess: bool,
}

impl Choice {
    /// The first of the client's that we have too, list by list; without one the product closes.
    pub(super) fn between(client: &Proposal<'_>, profile: &Profile) -> Option<Self> {
        let [kex, keys, cipher_in, cipher_out, mac_in, mac_out, zip_in, zip_out] = client.lists;
        let cipher = |list: &[u8]| CipherKind::named(common(list, profile.ciphers)?);
        let ciphers = [cipher(cipher_in)?, cipher(cipher_out)?];
        let mac = |list: &[u8], cipher: CipherKind| {
            if cipher.tag > 0 { Some(None) } else { MacKind::named(common(list, profile.macs)?).map(Some) }
        };
        let [first, second] = ciphers;
        let compress = |list: &[u8]| Some(common(list, COMPRESSION)? != "none");
        let kex_name = common(kex, &profile.kex)?;
        let host_key = common(keys, profile.host_keys)?.to_owned();
        let same_head = |client: &[u8], server: &str| names(client).next() == names(server.as_bytes()).next();
        let guessed = same_head(kex, &profile.kex) && same_head(keys, profile.host_keys);
        Some(Self {
            method: Method::named(kex_name)?,
            host_key,
            ciphers,
            macs: [mac(mac_in, first)?, mac(mac_out, second)?],
            compress: [compress(zip_in)?, compress(zip_out)?],
            wrong_guess: client.follows && !guessed,
        })
    }

    /// Keys for both directions: client to server, server to client.
    pub(super) fn keys(&self, agreed: &Agreed, session: &[u8]) -> Result<(Keys, Keys), Bye> {
        Ok((self.direction(0, agreed, session, false)?, self.direction(1, agreed, session, true)?))
    }

    /// The same as the client holds them, for tests.
    #[cfg(test)]
    pub(super) fn keys_of_client(&self, agreed: &Agreed, session: &[u8]) -> (Keys, Keys) {
        (self.direction(0, agreed, session, true).unwrap(), self.direction(1, agreed, session, false).unwrap())
    }

    fn direction(&self, index: usize, agreed: &Agreed, session: &[u8], seal: bool) -> Result<Keys, Bye> {
        let (Some(&cipher), Some(&mac), Some(&compress)) = (self.ciphers.get(index), self.macs.get(index), self.compress.get(index)) else {
            return Err(Bye::Silent);
        };
        let [iv, key, integrity] = if index == 0 { *b"ACE" } else { *b"BDF" };
        let iv = agreed.derive(iv, session, cipher.iv);
        let key = agreed.derive(key, session, cipher.key);
        let mac = match mac {
            Some(kind) => Some(Mac::new(kind, &agreed.derive(integrity, session, kind.key))?),
            None => None,
        };
        Ok(Keys { cipher: Cipher::new(cipher, &key, &iv, seal)?, mac, compress })
    }
}

fn common<'a>(client: &[u8], server: &'a str) -> Option<&'a str> {
    let ours = |name: &[u8]| server.split(',').find(|s| s.as_bytes() == name);
    names(client).filter(|name| !name.is_empty()).find_map(ours)
}

fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&b| b == b',')
}

/// Our KEXINIT payload.
pub(super) fn kexinit(profile: &Profile, cookie: [u8; 16]) -> Vec<u8> {
    let mut w = Writer::message(msg::KEXINIT).raw(&cookie);
    for list in
        [&profile.kex, profile.host_keys, profile.ciphers, profile.ciphers, profile.macs, profile.macs, COMPRESSION, COMPRESSION, "", ""]
    {
        w = w.string(list.as_bytes());
    }
    w.u8(0).u32(0).0
}

/// What goes into the exchange hash besides the method's own values.
pub(super) struct Transcript<'a> {
    pub(super) client_banner: &'a [u8],
    pub(super) server_banner: &'a [u8],
    pub(super) client_init: &'a [u8],
    pub(super) server_init: &'a [u8],
    pub(super) host_key: &'a [u8],
}

/// The secret and the exchange hash.
pub(super) struct Agreed {
    /// Encoded as the method prescribes: an mpint or a string.
    secret: Vec<u8>,
    pub(super) hash: Vec<u8>,
    digest: Hash,
}

impl Agreed {
    fn derive(&self, letter: u8, session: &[u8], bytes: usize) -> Vec<u8> {
        let mut out = self.digest.of(&[&self.secret, &self.hash, &[letter], session]);
        while out.len() < bytes {
            let more = self.digest.of(&[&self.secret, &self.hash, &out]);
            out.extend_from_slice(&more);
        }
        out.truncate(bytes);
        out
    }
}

/// A group the client asked for, between GEX_REQUEST and GEX_INIT.
#[derive(Clone, Debug)]
pub(super) struct AskedGroup {
    asked: [u32; 3],
    group: moduli::Group,
}

impl AskedGroup {
    /// Reads a GEX_REQUEST and picks one of the groups that fit best.
    pub(super) fn read(payload: &[u8], rng: &mut impl Rng) -> Result<Self, Bye> {
        let mut r = Reader(payload);
        r.u8()?;
        let asked = [r.u32()?, r.u32()?, r.u32()?];
        r.end()?;
        let [min, wanted, max] = asked;
        if max < min || wanted < min || max < wanted || max < 2048 {
            return Err(Bye::Silent);
        }
        let (min, max) = (min.max(2048), max.min(8192));
        let group = moduli::choose(min, wanted.clamp(2048, 8192), max, rng).ok_or(Bye::Silent)?;
        Ok(Self { asked, group })
    }

    /// The GEX_GROUP payload.
    pub(super) fn offer(&self) -> Vec<u8> {
        Writer::message(msg::GEX_GROUP).mpint(&self.group.prime).mpint(&[self.group.generator]).0
    }
}

/// Answers the client's exchange message: what goes between the host key and the signature in the reply,
/// and what was agreed.
pub(super) fn answer(
    method: Method,
    asked: Option<&AskedGroup>,
    payload: &[u8],
    told: &Transcript<'_>,
    rng: &mut impl Rng,
) -> Result<(Vec<u8>, Agreed), Bye> {
    let mut r = Reader(payload);
    r.u8()?;
    let theirs = r.string()?;
    r.end()?;
    let head = Writer::new()
        .string(told.client_banner)
        .string(told.server_banner)
        .string(told.client_init)
        .string(told.server_init)
        .string(told.host_key);
    let (ours, body, secret) = match method {
        Method::Curve25519 => {
            let (public, secret) = x25519(theirs)?;
            let ours = Writer::new().string(&public).0;
            (ours, head.string(theirs).string(&public), Writer::new().mpint(&secret).0)
        }
        Method::Sntrup => {
            let (lattice, curve) = theirs.split_first_chunk::<{ sntrup::PUBLIC }>().ok_or(Bye::Silent)?;
            let (ciphertext, first) = sntrup::encapsulate(lattice, rng);
            let (public, second) = x25519(curve)?;
            let blob = [ciphertext, public].concat();
            let secret = Hash::Sha512.of(&[&first, &second]);
            (Writer::new().string(&blob).0, head.string(theirs).string(&blob), Writer::new().string(&secret).0)
        }
        Method::MlKem => {
            let (lattice, curve) = theirs.split_first_chunk::<{ mlkem::PUBLIC }>().ok_or(Bye::Silent)?;
            let mut seed = [0u8; 32];
            rng.fill_bytes(&mut seed);
            let (ciphertext, first) = mlkem::encapsulate(lattice, &seed)?.ok_or(Bye::Silent)?;
            let (public, second) = x25519(curve)?;
            let blob = [ciphertext, public].concat();
            let secret = Hash::Sha256.of(&[&first, &second]);
            (Writer::new().string(&blob).0, head.string(theirs).string(&blob), Writer::new().string(&secret).0)
        }
        Method::Nist(curve, _) => {
            let (point, secret) = ecdh(curve, theirs)?;
            (Writer::new().string(&point).0, head.string(theirs).string(&point), Writer::new().mpint(&secret).0)
        }
        Method::Group(modulus, _) => {
            let (ours, secret) = diffie_hellman(&prime(modulus)?, 2, theirs, rng)?;
            let body = head.mpint(theirs).mpint(&ours);
            (Writer::new().mpint(&ours).0, body, Writer::new().mpint(&secret).0)
        }
        Method::GroupExchange => {
            let AskedGroup { asked: [min, wanted, max], group } = asked.ok_or(Bye::Silent)?;
            let (ours, secret) = diffie_hellman(&BigNum::from_slice(&group.prime)?, group.generator, theirs, rng)?;
            let body = head.u32(*min).u32(*wanted).u32(*max).mpint(&group.prime).mpint(&[group.generator]);
            (Writer::new().mpint(&ours).0, body.mpint(theirs).mpint(&ours), Writer::new().mpint(&secret).0)
        }
    };
    let digest = method.hash();
    let hash = digest.of(&[&body.0, &secret]);
    Ok((ours, Agreed { secret, hash, digest }))
}

/// Our public value and the shared secret.
fn x25519(theirs: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Bye> {
    let failed = |_| Bye::Silent;
    let mine = agreement::EphemeralPrivateKey::generate(&agreement::X25519, &SystemRandom::new()).map_err(failed)?;
    let public = mine.compute_public_key().map_err(failed)?.as_ref().to_vec();
    // Values of another length and those that make a secret of zeros are refused here, as the product does.
    let theirs = agreement::UnparsedPublicKey::new(&agreement::X25519, theirs);
    let secret = agreement::agree_ephemeral(mine, &theirs, <[u8]>::to_vec).map_err(failed)?;
    Ok((public, secret))
}

fn ecdh(curve: Nid, theirs: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Bye> {
    let group = EcGroup::from_curve_name(curve)?;
    let mut ctx = BigNumContext::new()?;
    // Only the uncompressed form is allowed (RFC 5656 §4).
    if theirs.first() != Some(&4) {
        return Err(Bye::Silent);
    }
    let point = EcPoint::from_bytes(&group, theirs, &mut ctx)?;
    let peer = EcKey::from_public_key(&group, &point)?;
    peer.check_key()?;
    let mine = EcKey::generate(&group)?;
    let public = mine.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut ctx)?;
    let (mine, peer) = (PKey::from_ec_key(mine)?, PKey::from_ec_key(peer)?);
    let mut deriver = Deriver::new(&mine)?;
    deriver.set_peer(&peer)?;
    Ok((public, deriver.derive_to_vec()?))
}

fn prime(modulus: Modulus) -> Result<BigNum, Bye> {
    Ok(match modulus {
        Modulus::Group14 => BigNum::get_rfc3526_prime_2048()?,
        Modulus::Group16 => BigNum::get_rfc3526_prime_4096()?,
        Modulus::Group18 => BigNum::get_rfc3526_prime_8192()?,
    })
}

fn diffie_hellman(p: &BigNum, generator: u8, theirs: &[u8], rng: &mut impl Rng) -> Result<(Vec<u8>, Vec<u8>), Bye> {
    let e = BigNum::from_slice(theirs)?;
    let mut less = BigNum::new()?;
    less.checked_sub(p, &*BigNum::from_u32(1)?)?;
    let negative = theirs.first().is_some_and(|b| b & 0x80 != 0);
    let bits = theirs.iter().map(|b| b.count_ones()).sum::<u32>();
    if negative || theirs.len() > 1025 || bits < 4 || e >= less || e.num_bits() < 2 {
        return Err(Bye::Silent);
    }
    let mut bytes = [0u8; 128];
    rng.fill_bytes(&mut bytes);
    let secret = BigNum::from_slice(&bytes)?;
    let mut ctx = BigNumContext::new()?;
    let (mut ours, mut shared) = (BigNum::new()?, BigNum::new()?);
    ours.mod_exp(&*BigNum::from_u32(u32::from(generator))?, &secret, p, &mut ctx)?;
    shared.mod_exp(&e, &secret, p, &mut ctx)?;
    Ok((ours.to_vec(), shared.to_vec()))
}

/// What a client computes with curve25519, for tests.
#[cfg(test)]
pub(super) fn rehearsed(told: &Transcript<'_>, mine: &[u8], theirs: &[u8], secret: &[u8]) -> Agreed {
    let head = Writer::new().string(told.client_banner).string(told.server_banner).string(told.client_init).string(told.server_init);
    let secret = Writer::new().mpint(secret).0;
    let digest = Hash::Sha256;
    let hash = digest.of(&[&head.string(told.host_key).string(mine).string(theirs).raw(&secret).0]);
    Agreed { secret, hash, digest }
}
