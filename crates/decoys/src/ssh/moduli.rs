//! The safe primes of `/etc/ssh/moduli` and how the product chooses among them (RFC 4419).

use openssl::bn::BigNum;
use rand::Rng;

static FILE: &str = include_str!("moduli.txt");

/// A prime and its generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Big-endian.
    pub(super) prime: Vec<u8>,
    pub(super) generator: u8,
}

/// One line: bits, common digits, members.
fn families() -> impl Iterator<Item = (u32, &'static str, &'static str)> {
    FILE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (bits, rest) = line.split_once(' ')?;
        let (prefix, members) = rest.split_once(' ')?;
        Some((bits.parse().ok()?, prefix, members))
    })
}

/// A random group of the best size: the smallest that is not below `wanted`, else the largest within the bounds.
pub(super) fn choose(min: u32, wanted: u32, max: u32, rng: &mut impl Rng) -> Option<Group> {
    let sizes: Vec<u32> = families().map(|f| f.0).filter(|bits| (min..=max).contains(bits)).collect();
    let best = sizes.iter().filter(|bits| **bits >= wanted).min().or_else(|| sizes.iter().max()).copied();
    let Some(best) = best else {
        // Nothing in the file fits: the product falls back to a built-in group.
        return Some(Group { prime: BigNum::get_rfc3526_prime_2048().ok()?.to_vec(), generator: 2 });
    };
    let members = || families().filter(move |f| f.0 == best).flat_map(|(_, prefix, members)| members.split(' ').map(move |m| (prefix, m)));
    let count = members().count();
    let at = usize::try_from(rng.next_u32()).unwrap_or_default().checked_rem(count)?;
    let (prefix, member) = members().nth(at)?;
    let (generator, tail) = member.split_once(':')?;
    Some(Group { prime: hex::decode(format!("{prefix}{tail}")).ok()?, generator: generator.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn sizes_are_chosen_as_the_genuine_server_chooses() {
        let mut rng = rand_chacha::ChaCha12Rng::from_seed([4; 32]);
        let mut check = |min, wanted, max, bits: usize| {
            let group = choose(min, wanted, max, &mut rng).unwrap();
            assert_eq!(group.prime.len() * 8, bits);
            assert!(group.prime[0] & 0x80 != 0 && [2, 5].contains(&group.generator));
        };
        check(2048, 2048, 8192, 2048);
        check(2048, 3072, 8192, 3072);
        check(2048, 5000, 8192, 6144);
        check(2048, 8192, 8192, 8192);
        check(2048, 8192, 4096, 4096);
        assert_eq!(families().map(|f| f.2.split(' ').count()).sum::<usize>(), 423);
    }
}
