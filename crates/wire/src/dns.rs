//! Questions of DNS messages (RFC 1035 §4.1), which mDNS, LLMNR and NetBIOS name service share.

use crate::{Malformed, cursor::Cursor};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Labels joined by dots, as sent; the root is empty. At most 255 bytes.
    pub name: Vec<u8>,
    pub kind: u16,
    pub class: u16,
}

/// Most questions that are read of one message.
const QUESTIONS: u16 = 16;

/// The questions of a query; an answer is not a query.
pub fn questions(message: &[u8]) -> Result<Vec<Question>, Malformed> {
    let mut rest = Cursor::new(message);
    rest.u16("id")?;
    if rest.u16("flags")? & 0x8000 != 0 {
        return Err(Malformed { what: "query", at: 2 });
    }
    let count = rest.u16("question count")?;
    rest.take(6, "counts")?;
    let mut found = Vec::new();
    for _ in 0..count.min(QUESTIONS) {
        let mut name = Vec::new();
        loop {
            let label = match rest.u8("label")? {
                0 => break,
                // A question that points elsewhere is none that a resolver sends.
                64.. => return Err(Malformed { what: "label", at: 12 }),
                length => rest.take(length.into(), "label")?,
            };
            if name.len() + label.len() + 1 > 255 {
                return Err(Malformed { what: "name", at: 12 });
            }
            if !name.is_empty() {
                name.push(b'.');
            }
            name.extend_from_slice(label);
        }
        found.push(Question { name, kind: rest.u16("question type")?, class: rest.u16("question class")? });
    }
    Ok(found)
}

/// The name of a common type: `A`, `MX`, …; others by number.
pub fn kind_name(kind: u16) -> String {
    let name = match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        43 => "DS",
        46 => "RRSIG",
        48 => "DNSKEY",
        64 => "SVCB",
        65 => "HTTPS",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        other => return format!("TYPE{other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_question_is_read_and_an_answer_is_not() {
        let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend(b"\x07version\x04bind\0\0\x10\0\x03");
        assert_eq!(questions(&query).unwrap(), [Question { name: b"version.bind".to_vec(), kind: 16, class: 3 }]);
        assert_eq!(kind_name(16), "TXT");
        query[2] |= 0x80;
        assert!(questions(&query).is_err());
        assert!(questions(&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12]).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = questions(&bytes);
            if let Some(flags) = bytes.get_mut(2) { *flags &= 0x7f; }
            let _ = questions(&bytes);
        }
    }
}
