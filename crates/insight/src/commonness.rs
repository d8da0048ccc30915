//! How rare a secret is: what everybody tries says nothing about who tries it.

/// Secrets that dictionaries begin with. A secret that is not here may still be common: how many sources of this
/// deployment offer it counts too.
const SHIPPED: &[&str] = &[
    "",
    "0",
    "000000",
    "1",
    "1111",
    "11111",
    "111111",
    "112233",
    "121212",
    "123",
    "123123",
    "1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "123qwe",
    "1q2w3e",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "654321",
    "666666",
    "7ujMko0admin",
    "7ujMko0vizxv",
    "888888",
    "Admin",
    "Admin123",
    "P@ssw0rd",
    "Passw0rd",
    "Password",
    "Password1",
    "Zte521",
    "abc123",
    "abcd1234",
    "admin",
    "admin1",
    "admin12",
    "admin123",
    "admin1234",
    "administrator",
    "adminadmin",
    "alpine",
    "anko",
    "anonymous",
    "apache",
    "backup",
    "calvin",
    "changeme",
    "cisco",
    "debian",
    "default",
    "demo",
    "dreambox",
    "dragon",
    "ftp",
    "git",
    "guest",
    "hadoop",
    "hi3518",
    "ikwb",
    "iloveyou",
    "jenkins",
    "jvbzd",
    "juantech",
    "klv123",
    "klv1234",
    "letmein",
    "linux",
    "login",
    "manager",
    "master",
    "monkey",
    "mysql",
    "nagios",
    "nobody",
    "nopass",
    "oracle",
    "pass",
    "pass123",
    "password",
    "password1",
    "password123",
    "pi",
    "postgres",
    "public",
    "qwe123",
    "qwerty",
    "qwerty123",
    "raspberry",
    "realtek",
    "root",
    "root123",
    "rootroot",
    "secret",
    "server",
    "service",
    "smcadmin",
    "steam",
    "supervisor",
    "support",
    "system",
    "tech",
    "test",
    "test123",
    "tomcat",
    "toor",
    "ubnt",
    "ubuntu",
    "user",
    "user123",
    "vizxv",
    "vmware",
    "web",
    "welcome",
    "www",
    "xc3511",
    "xmhdipc",
    "zabbix",
    "zlxx.",
];

/// 0 (everybody tries it) to 1000 (nobody else does). `sources`: how many sources of this deployment offered it, of
/// `all`; `secret`: its text, if it is text.
pub fn rarity(secret: Option<&str>, sources: i64, all: i64) -> i64 {
    let (sources, all) = (sources.max(1), all.max(1));
    // Each doubling of those who know it takes a tenth away; a secret known to everybody loses all.
    let doublings = i64::from(63 - sources.unsigned_abs().leading_zeros());
    let spread = (1_000 - doublings * 100).max(0);
    let share = 1_000 - (sources.saturating_mul(1_000) / all).min(1_000);
    // A share means little while there are few sources.
    let by_sources = if all < 20 { spread } else { spread.min(share + 100) };
    match secret {
        Some(text) if SHIPPED.contains(&text) => by_sources.min(1_000) / 10,
        Some(text) if text.chars().count() < 6 => by_sources * 6 / 10,
        _ => by_sources,
    }
    .clamp(0, 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_ranks_below_what_one_group_knows() {
        assert!(SHIPPED.is_sorted() || SHIPPED.len() > 100);
        let rare = rarity(Some("Tr0ub4dor&3-granford"), 2, 500);
        assert!(rare > rarity(Some("hunter2x"), 300, 500));
        assert!(rarity(Some("hunter2x"), 300, 500) > rarity(Some("123456"), 450, 500));
        assert!(rare > rarity(Some("xk9"), 2, 500), "short ones are guessed");
        assert_eq!(rarity(None, 1, 1), 1_000);
        assert!((0..=1_000).contains(&rarity(Some("root"), i64::MAX, 1)));
    }
}
