//! The database server: a visitor's own changes, and bytes nobody meant.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use decoys::stage::rehearse::Rehearsal;
use proptest::prelude::*;
use sha1::{Digest, Sha1};

fn packet(seq: u8, body: &[u8]) -> Vec<u8> {
    let n = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&n[..3], &[seq], body].concat()
}

fn inside(play: &mut Rehearsal, user: &str, password: &str) -> Vec<u8> {
    let hello = play.sent();
    let at = 5 + hello[5..].iter().position(|&b| b == 0).unwrap() + 1 + 4;
    let salt = [&hello[at..at + 8], &hello[at + 27..at + 39]].concat();
    let one = Sha1::digest(password);
    let mix = Sha1::new().chain_update(&salt).chain_update(Sha1::digest(one)).finalize();
    let answer: Vec<u8> = one.iter().zip(mix.iter()).map(|(a, b)| a ^ b).collect();
    let mut body = vec![0x85, 0xa6, 0x0f, 0, 0, 0, 0, 1, 45];
    body.extend([0; 23]);
    body.extend(user.as_bytes());
    body.extend([0, 20]);
    body.extend(answer);
    body.extend(b"mysql_native_password\0");
    play.say(&packet(1, &body));
    play.sent()
}

fn query(play: &mut Rehearsal, sql: &str) -> String {
    play.say(&packet(0, &[&[3], sql.as_bytes()].concat()));
    String::from_utf8_lossy(&play.sent()).into_owned()
}

#[test]
fn what_a_visitor_changes_stays_for_that_visitor() {
    let mut play = Rehearsal::of("mysql").unwrap();
    assert_eq!(inside(&mut play, "root", "Winter2025")[4], 0);
    query(&mut play, "create database loot");
    query(&mut play, "use loot");
    query(&mut play, "create table t(id int auto_increment primary key, a varchar(20))");
    query(&mut play, "insert into t(a) values('first'),('second')");
    assert!(query(&mut play, "select a from t where id=2").contains("second"));
    assert!(query(&mut play, "select count(*) from t").contains('2'));
    assert!(query(&mut play, "selec").contains("You have an error in your SQL syntax"));
    assert!(query(&mut play, "create function sys_exec returns integer soname 'x.so'").contains("Can't open shared library 'x.so'"));
    let again = play.visit().clone();
    let mut play = Rehearsal::start(decoys::find("mysql").unwrap(), again, None).unwrap();
    inside(&mut play, "root", "Winter2025");
    assert!(query(&mut play, "select a from loot.t order by id desc limit 1").contains("second"));
}

#[test]
fn an_ordinary_account_sees_its_own() {
    let mut play = Rehearsal::of("mysql").unwrap();
    inside(&mut play, "deploy", "deploy123");
    assert!(!query(&mut play, "show databases").contains("performance_schema"));
    assert!(query(&mut play, "select 1 into outfile '/tmp/x'").contains("FILE privilege"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn statements_never_panic(words in proptest::collection::vec(proptest::sample::select(vec!["select", "*", "from", "users", "t", "where", "id", "=", "1", "(", ")", ",", "'a'", "order", "by", "limit", "count", "max", "group", "insert", "into", "values", "update", "set", "create", "table", "int", "like", "'%'", "union", "@@version", "null", "-", "between", "and", "in", "join", "on", "show", "columns", "as", "x", ".", "`", "\"", "0x41", "--", "/*", "information_schema", "tables", "concat", "if", "substring", "99999999999999999999", "?"]), 0..25)) {
        let mut play = Rehearsal::of("mysql").unwrap();
        inside(&mut play, "root", "Winter2025");
        query(&mut play, &words.join(" "));
        play.say(&packet(0, &[&[22], words.join(" ").as_bytes()].concat()));
        play.say(&packet(0, &[23, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0, 1]));
        play.sent();
    }

    #[test]
    fn bytes_never_panic(parts in proptest::collection::vec((0..4u8, proptest::collection::vec(any::<u8>(), 0..60)), 1..6), logged in any::<bool>()) {
        let mut play = Rehearsal::of("mysql").unwrap();
        if logged {
            inside(&mut play, "root", "Winter2025");
        }
        for (seq, body) in parts {
            play.say(&packet(if logged { 0 } else { seq }, &body));
            play.sent();
        }
    }
}
