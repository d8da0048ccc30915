//! Redis under bytes nobody meant.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::stage::rehearse::Rehearsal;
use proptest::prelude::*;

fn words() -> impl Strategy<Value = Vec<u8>> {
    let names = vec![
        "SET",
        "GET",
        "EVAL",
        "CONFIG",
        "CLIENT",
        "SCAN",
        "ZADD",
        "ZRANGE",
        "XADD",
        "XREAD",
        "LRANGE",
        "SORT",
        "MULTI",
        "EXEC",
        "INFO",
        "OBJECT",
        "GETRANGE",
        "SETRANGE",
        "BITCOUNT",
        "HSET",
        "HELLO",
        "COMMAND",
        "ACL",
        "SUBSCRIBE",
        "RESET",
        "SPOP",
        "LINSERT",
        "EXPIRE",
        "COPY",
        "SWAPDB",
        "DUMP",
        "LCS",
    ];
    let arg = prop_oneof![
        Just("a".to_owned()),
        Just("-1".to_owned()),
        Just("0".to_owned()),
        Just("9223372036854775807".to_owned()),
        Just("-9223372036854775808".to_owned()),
        Just("*".to_owned()),
        Just("(1".to_owned()),
        Just("get".to_owned()),
        Just("return {1,{2},'x'..3,KEYS[1]}".to_owned()),
        "\\PC{0,12}",
    ];
    (proptest::sample::select(names), proptest::collection::vec(arg, 0..6)).prop_map(|(name, args)| {
        let mut out = format!("*{}\r\n${}\r\n{name}\r\n", args.len() + 1, name.len()).into_bytes();
        for arg in args {
            out.extend(format!("${}\r\n", arg.len()).into_bytes());
            out.extend(arg.into_bytes());
            out.extend(b"\r\n");
        }
        out
    })
}

proptest! {
    #[test]
    fn nothing_panics(parts in proptest::collection::vec(prop_oneof![4 => words(), 1 => proptest::collection::vec(any::<u8>(), 0..60)], 1..12)) {
        let mut play = Rehearsal::of("redis").unwrap();
        for part in parts {
            play.say(&part);
            play.sent();
        }
    }
}
