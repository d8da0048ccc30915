//! Scripts: the statements attackers and clients really send, evaluated; anything the interpreter
//! here does not know fails as an unknown global does on the genuine server.

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::{
    dialogue::{Did, Fail, NOT_INT, Redis},
    message::integer,
    table::table,
};

/// A script's value.
#[derive(Clone, Debug, PartialEq)]
enum Lua {
    Nil,
    Bool(bool),
    Number(f64),
    Text(Bytes),
    Table(Vec<Self>),
    /// A status or error reply as a table.
    Status(String),
    Error(String),
}

impl Redis {
    pub(super) fn lua(&mut self, name: &str, args: &[Bytes]) -> Did {
        match name {
            "eval" | "eval_ro" => {
                let script = args.get(1).cloned().unwrap_or_default();
                self.run_script(&script, args)?;
            }
            "evalsha" | "evalsha_ro" => {
                self.keys_of(args)?;
                let sha = args.get(1).map(|s| String::from_utf8_lossy(s).to_ascii_lowercase()).unwrap_or_default();
                let script = self.keys.note(&format!("script/{sha}")).ok_or("NOSCRIPT No matching script. Please use EVAL.")?;
                self.run_script(&script, args)?;
            }
            "fcall" | "fcall_ro" => {
                self.keys_of(args)?;
                return Err("ERR Function not found".into());
            }
            "script" => match &args.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default()[..] {
                b"load" => {
                    let script = args.get(2).cloned().unwrap_or_default();
                    compile(&script)?;
                    let sha = hex::encode(Sha1::digest(&script));
                    if script.len() <= 65_536 && self.keys.notes("script/").len() < 64 {
                        self.keys.set_note(&format!("script/{sha}"), script);
                    }
                    self.out.bulk(sha);
                }
                b"exists" => {
                    let known: Vec<bool> = args
                        .iter()
                        .skip(2)
                        .map(|s| self.keys.note(&format!("script/{}", String::from_utf8_lossy(s).to_ascii_lowercase())).is_some())
                        .collect();
                    self.out.array(known.len());
                    for k in known {
                        self.out.int(i64::from(k));
                    }
                }
                b"flush" => self.out.ok(),
                b"kill" => return Err("NOTBUSY No scripts in execution right now.".into()),
                b"debug" => return Err("ERR Use SCRIPT DEBUG YES/SYNC/NO".into()),
                _ => return Ok(false),
            },
            "function" => match &args.get(1).map(|s| s.to_ascii_lowercase()).unwrap_or_default()[..] {
                b"list" => self.out.array(0),
                b"flush" => self.out.ok(),
                b"kill" => return Err("NOTBUSY No scripts in execution right now.".into()),
                b"load" => return Err("ERR Missing library metadata".into()),
                b"delete" => return Err("ERR Library not found".into()),
                b"dump" => self.out.bulk(b"\x0a\x00\x05\x00\x81\x27\xb8\x36\x6f\x77\xf0\xbb"),
                b"restore" => return Err("ERR DUMP payload version or checksum are wrong".into()),
                b"stats" => {
                    self.out.map(2);
                    self.out.bulk("running_script");
                    self.out.null();
                    self.out.bulk("engines");
                    self.out.map(1);
                    self.out.bulk("LUA");
                    self.out.map(2);
                    for k in ["libraries_count", "functions_count"] {
                        self.out.bulk(k);
                        self.out.int(0);
                    }
                }
                _ => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn keys_of(&self, args: &[Bytes]) -> Result<(Vec<Bytes>, Vec<Bytes>), Fail> {
        let n = args.get(2).and_then(|n| integer(n)).ok_or(NOT_INT)?;
        let rest = args.get(3..).unwrap_or_default();
        if n < 0 {
            return Err("ERR Number of keys can't be negative".into());
        }
        let n = usize::try_from(n).ok().filter(|&n| n <= rest.len()).ok_or("ERR Number of keys can't be greater than number of args")?;
        let (keys, argv) = rest.split_at(n);
        Ok((keys.to_vec(), argv.to_vec()))
    }

    fn run_script(&mut self, script: &Bytes, args: &[Bytes]) -> Result<(), Fail> {
        let (keys, argv) = self.keys_of(args)?;
        compile(script)?;
        let sha = hex::encode(Sha1::digest(script));
        let mut run = Run { tokens: tokens(script), at: 0, locals: Vec::new(), keys, argv, steps: 0 };
        let result = run.block(self).map_err(|text| Fail::from(format!("{text} script: {sha}, on @user_script:1.")))?;
        self.reply_lua(&result, 0);
        Ok(())
    }

    fn reply_lua(&mut self, value: &Lua, depth: u8) {
        match value {
            Lua::Nil | Lua::Bool(false) => self.out.null(),
            Lua::Bool(true) => self.out.int(1),
            Lua::Number(n) => self.out.int(whole(*n)),
            Lua::Text(t) => self.out.bulk(t),
            Lua::Status(s) => self.out.simple(s),
            Lua::Error(e) => self.fail(e),
            Lua::Table(list) => {
                let list: Vec<&Lua> = list.iter().take_while(|v| **v != Lua::Nil).collect();
                self.out.array(list.len());
                for item in list {
                    if depth < 20 { self.reply_lua(item, depth + 1) } else { self.out.null() }
                }
            }
        }
    }

    /// `redis.call`.
    fn lua_call(&mut self, args: &[Bytes]) -> Result<Lua, String> {
        let name = args.first().map(|a| String::from_utf8_lossy(a).to_ascii_lowercase()).unwrap_or_default();
        let entry = table().find(&name).ok_or("ERR Unknown Redis command called from script")?;
        let n = i64::try_from(args.len()).unwrap_or(0);
        if entry.arity > 0 && n != entry.arity || n < -entry.arity {
            return Err("ERR Wrong number of args calling Redis command from script".into());
        }
        if matches!(
            name.as_str(),
            "eval"
                | "evalsha"
                | "script"
                | "subscribe"
                | "psubscribe"
                | "multi"
                | "exec"
                | "watch"
                | "monitor"
                | "auth"
                | "hello"
                | "blpop"
                | "brpop"
                | "debug"
                | "save"
                | "shutdown"
                | "fcall"
                | "function"
                | "module"
                | "slaveof"
                | "replicaof"
        ) {
            return Err("ERR This Redis command is not allowed from script".into());
        }
        let before = self.out.bytes.len();
        let resp = std::mem::replace(&mut self.out.resp, 2);
        let done = self.for_script(&name, args);
        self.out.resp = resp;
        let bytes = self.out.bytes.split_off(before.min(self.out.bytes.len()));
        match done {
            Ok(true) => Ok(parse_reply(&bytes, &mut 0, 0)),
            Ok(false) => Err("ERR Unknown Redis command called from script".into()),
            Err(text) => Err(text.into_owned()),
        }
    }

    fn for_script(&mut self, name: &str, args: &[Bytes]) -> Did {
        for family in
            [Self::strings, Self::generic, Self::hashes, Self::lists, Self::sets, Self::zsets, Self::streams, Self::server, Self::more]
        {
            if family(self, name, args)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn parse_reply(bytes: &[u8], at: &mut usize, depth: u8) -> Lua {
    let rest = bytes.get(*at..).unwrap_or_default();
    let end = rest.windows(2).position(|w| w == b"\r\n").unwrap_or(rest.len());
    let line = rest.get(..end).unwrap_or_default();
    *at += end + 2;
    let body = line.get(1..).unwrap_or_default();
    let number = integer(body).unwrap_or(0);
    match line.first() {
        Some(b'+') => Lua::Status(String::from_utf8_lossy(body).into_owned()),
        Some(b'-') => Lua::Error(String::from_utf8_lossy(body).into_owned()),
        Some(b':') => Lua::Number(number as f64),
        Some(b'$') if number >= 0 => {
            let n = usize::try_from(number).unwrap_or(0);
            let text = bytes.get(*at..*at + n).unwrap_or_default();
            *at += n + 2;
            Lua::Text(Bytes::copy_from_slice(text))
        }
        Some(b'*') if number >= 0 && depth < 8 => Lua::Table((0..number).map(|_| parse_reply(bytes, at, depth + 1)).collect()),
        _ => Lua::Bool(false),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Text(Bytes),
    Number(f64),
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 26] = [
    "...", "..", "==", "~=", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", ";", "=", ".", ":", "+", "-", "*", "/", "%", "<", ">", "#", "^",
];

fn tokens(script: &[u8]) -> Vec<Token> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&b) = script.get(at) {
        let rest = script.get(at..).unwrap_or_default();
        if b.is_ascii_whitespace() {
            at += 1;
        } else if rest.starts_with(b"--") {
            at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        } else if b.is_ascii_alphabetic() || b == b'_' {
            let n = rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(rest.len());
            out.push(Token::Name(String::from_utf8_lossy(rest.get(..n).unwrap_or_default()).into_owned()));
            at += n;
        } else if b.is_ascii_digit() {
            let n = rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'.').unwrap_or(rest.len());
            out.push(Token::Number(
                std::str::from_utf8(rest.get(..n).unwrap_or_default()).ok().and_then(|t| t.parse().ok()).unwrap_or(0.0),
            ));
            at += n;
        } else if b == b'\'' || b == b'"' {
            let mut text = Vec::new();
            at += 1;
            while let Some(&c) = script.get(at) {
                at += 1;
                match c {
                    c if c == b => break,
                    b'\\' => {
                        let e = script.get(at).copied().unwrap_or(b'\\');
                        at += 1;
                        text.push(match e {
                            b'n' => b'\n',
                            b'r' => b'\r',
                            b't' => b'\t',
                            e => e,
                        });
                    }
                    c => text.push(c),
                }
            }
            out.push(Token::Text(Bytes::from(text)));
        } else if rest.starts_with(b"[[") {
            let n = rest.windows(2).position(|w| w == b"]]").unwrap_or(rest.len());
            out.push(Token::Text(Bytes::copy_from_slice(rest.get(2..n).unwrap_or_default())));
            at += n + 2;
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(s.as_bytes())) {
            out.push(Token::Sign(sign));
            at += sign.len();
        } else {
            at += 1;
        }
    }
    out
}

/// The commonest complaint of the compiler: two names in a row.
fn compile(script: &[u8]) -> Result<(), Fail> {
    const WORDS: [&str; 21] = [
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or", "repeat",
        "return", "then", "true", "until", "while",
    ];
    let tokens = tokens(script);
    let mut pairs = tokens.windows(2);
    let first = tokens.first();
    if let (Some(Token::Name(a)), Some([_, Token::Name(b)])) = (first, pairs.next())
        && !WORDS.contains(&a.as_str())
        && !WORDS.contains(&b.as_str())
    {
        return Err(format!("ERR Error compiling script (new function): user_script:1: '=' expected near '{b}'").into());
    }
    if let [Token::Name(only)] = tokens.as_slice()
        && !WORDS.contains(&only.as_str())
    {
        return Err("ERR Error compiling script (new function): user_script:1: '=' expected near '<eof>'".to_owned().into());
    }
    Ok(())
}

struct Run {
    tokens: Vec<Token>,
    at: usize,
    locals: Vec<(String, Lua)>,
    keys: Vec<Bytes>,
    argv: Vec<Bytes>,
    steps: u32,
}

impl Run {
    fn peek(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn take(&mut self, sign: &str) -> bool {
        let hit = matches!(self.peek(), Token::Sign(s) if s == sign);
        if hit {
            self.at += 1;
        }
        hit
    }

    fn name(&mut self, word: &str) -> bool {
        let hit = matches!(self.peek(), Token::Name(n) if n == word);
        if hit {
            self.at += 1;
        }
        hit
    }

    fn block(&mut self, redis: &mut Redis) -> Result<Lua, String> {
        loop {
            self.steps += 1;
            if self.steps > 10_000 || self.peek() == Token::End {
                return Ok(Lua::Nil);
            }
            if self.take(";") {
                continue;
            }
            if self.name("return") {
                if matches!(self.peek(), Token::End | Token::Sign(";")) {
                    return Ok(Lua::Nil);
                }
                return self.expression(redis, 0);
            }
            let local = self.name("local");
            if let (Token::Name(name), Some(Token::Sign("="))) = (self.peek(), self.tokens.get(self.at + 1).cloned()) {
                self.at += 2;
                let value = self.expression(redis, 0)?;
                if !local && !self.locals.iter().any(|(n, _)| *n == name) {
                    return Err("ERR user_script:1: Attempt to modify a readonly table".into());
                }
                self.locals.retain(|(n, _)| *n != name);
                self.locals.push((name, value));
                continue;
            }
            if local {
                self.at += 1;
                continue;
            }
            let before = self.at;
            self.expression(redis, 0)?;
            if self.at == before {
                self.at += 1;
            }
        }
    }

    fn expression(&mut self, redis: &mut Redis, depth: u8) -> Result<Lua, String> {
        if depth > 30 {
            return Err("ERR user_script:1: stack overflow".into());
        }
        let mut left = self.term(redis, depth)?;
        loop {
            self.steps += 1;
            if self.steps > 10_000 {
                return Ok(left);
            }
            let Token::Sign(sign @ (".." | "+" | "-" | "*" | "/" | "%" | "==" | "~=" | "<" | ">" | "<=" | ">=")) = self.peek() else {
                return Ok(left);
            };
            self.at += 1;
            let right = self.term(redis, depth + 1)?;
            left = match sign {
                ".." => {
                    let joined = [text_of(&left), text_of(&right)].concat();
                    if joined.len() > 1_000_000 {
                        return Err("ERR user_script:1: not enough memory".into());
                    }
                    Lua::Text(Bytes::from(joined))
                }
                "==" => Lua::Bool(left == right),
                "~=" => Lua::Bool(left != right),
                sign => {
                    let (Some(a), Some(b)) = (number_of(&left), number_of(&right)) else {
                        return Err(format!(
                            "ERR user_script:1: attempt to perform arithmetic on a {} value",
                            kind(if number_of(&left).is_none() { &left } else { &right })
                        ));
                    };
                    match sign {
                        "+" => Lua::Number(a + b),
                        "-" => Lua::Number(a - b),
                        "*" => Lua::Number(a * b),
                        "/" => Lua::Number(a / b),
                        "%" => Lua::Number(a - (a / b).floor() * b),
                        "<" => Lua::Bool(a < b),
                        ">" => Lua::Bool(a > b),
                        "<=" => Lua::Bool(a <= b),
                        _ => Lua::Bool(a >= b),
                    }
                }
            };
        }
    }

    fn term(&mut self, redis: &mut Redis, depth: u8) -> Result<Lua, String> {
        match self.next() {
            Token::Number(n) => Ok(Lua::Number(n)),
            Token::Text(t) => Ok(Lua::Text(t)),
            Token::Sign("-") => Ok(number_of(&self.term(redis, depth + 1)?).map_or(Lua::Nil, |n| Lua::Number(-n))),
            Token::Sign("#") => {
                let value = self.term(redis, depth + 1)?;
                Ok(Lua::Number(match value {
                    Lua::Text(t) => t.len() as f64,
                    Lua::Table(t) => t.len() as f64,
                    _ => 0.0,
                }))
            }
            Token::Sign("(") => {
                let value = self.expression(redis, depth + 1)?;
                self.take(")");
                Ok(value)
            }
            Token::Sign("{") => {
                let mut list = Vec::new();
                while !self.take("}") && self.peek() != Token::End {
                    if let (Token::Name(field), Some(Token::Sign("="))) = (self.peek(), self.tokens.get(self.at + 1)) {
                        self.at += 2;
                        let value = String::from_utf8_lossy(&text_of(&self.expression(redis, depth + 1)?)).into_owned();
                        self.take("}");
                        return Ok(if field == "err" { Lua::Error(value) } else { Lua::Status(value) });
                    }
                    list.push(self.expression(redis, depth + 1)?);
                    if !self.take(",") && !matches!(self.peek(), Token::Sign("}")) {
                        break;
                    }
                }
                Ok(Lua::Table(list))
            }
            Token::Name(name) => self.named(redis, name, depth),
            _ => Ok(Lua::Nil),
        }
    }

    fn named(&mut self, redis: &mut Redis, name: String, depth: u8) -> Result<Lua, String> {
        let value = match name.as_str() {
            "nil" => Lua::Nil,
            "true" => Lua::Bool(true),
            "false" => Lua::Bool(false),
            "not" => Lua::Bool(matches!(self.term(redis, depth + 1)?, Lua::Nil | Lua::Bool(false))),
            "KEYS" => Lua::Table(self.keys.iter().cloned().map(Lua::Text).collect()),
            "ARGV" => Lua::Table(self.argv.iter().cloned().map(Lua::Text).collect()),
            "_VERSION" => Lua::Text(Bytes::from_static(b"Lua 5.1")),
            "redis" => return self.redis_member(redis, depth),
            "error" => {
                let value = self.arguments(redis, depth)?.into_iter().next().unwrap_or(Lua::Nil);
                return Err(format!("ERR user_script:1: {}", String::from_utf8_lossy(text_of(&value).as_ref())));
            }
            "tostring" | "tonumber" | "type" => {
                let value = self.arguments(redis, depth)?.into_iter().next().unwrap_or(Lua::Nil);
                match name.as_str() {
                    "tostring" => Lua::Text(Bytes::from(text_of(&value))),
                    "tonumber" => number_of(&value).map_or(Lua::Nil, Lua::Number),
                    _ => Lua::Text(Bytes::from_static(kind(&value).as_bytes())),
                }
            }
            _ => match self.locals.iter().find(|(n, _)| *n == name) {
                Some((_, value)) => value.clone(),
                None => return Err(format!("ERR user_script:1: Script attempted to access nonexistent global variable '{name}'")),
            },
        };
        if self.take("[") {
            let index = number_of(&self.expression(redis, depth + 1)?).unwrap_or(0.0);
            self.take("]");
            return Ok(match value {
                Lua::Table(list) if index >= 1.0 => {
                    usize::try_from(whole(index) - 1).ok().and_then(|i| list.get(i)).cloned().unwrap_or(Lua::Nil)
                }
                _ => Lua::Nil,
            });
        }
        Ok(value)
    }

    fn redis_member(&mut self, redis: &mut Redis, depth: u8) -> Result<Lua, String> {
        self.take(".");
        let Token::Name(member) = self.next() else { return Ok(Lua::Nil) };
        if let Some(level) = ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"].iter().position(|l| *l == member) {
            return Ok(Lua::Number(level as f64));
        }
        let args = self.arguments(redis, depth)?;
        let first = args.first().map(text_of).unwrap_or_default();
        match member.as_str() {
            "call" | "pcall" => {
                if args.is_empty() {
                    return Err("ERR Please specify at least one argument for this redis lib call".into());
                }
                if args.iter().any(|a| !matches!(a, Lua::Text(_) | Lua::Number(_))) {
                    return Err("ERR Lua redis lib command arguments must be strings or integers".into());
                }
                let args: Vec<Bytes> = args.iter().map(|a| Bytes::from(text_of(a))).collect();
                match redis.lua_call(&args) {
                    Err(text) if member == "pcall" => Ok(Lua::Error(text)),
                    other => other,
                }
            }
            "sha1hex" => Ok(Lua::Text(Bytes::from(hex::encode(Sha1::digest(&first))))),
            "error_reply" => {
                let text = String::from_utf8_lossy(&first).into_owned();
                Ok(Lua::Error(if text.starts_with('-') { text.get(1..).unwrap_or_default().to_owned() } else { format!("ERR {text}") }))
            }
            "status_reply" => Ok(Lua::Status(String::from_utf8_lossy(&first).into_owned())),
            _ => Ok(Lua::Nil),
        }
    }

    fn arguments(&mut self, redis: &mut Redis, depth: u8) -> Result<Vec<Lua>, String> {
        let mut list = Vec::new();
        if let Token::Text(t) = self.peek() {
            self.at += 1;
            return Ok(vec![Lua::Text(t)]);
        }
        if !self.take("(") {
            return Ok(list);
        }
        while !self.take(")") && self.peek() != Token::End && list.len() < 8000 {
            list.push(self.expression(redis, depth + 1)?);
            if !self.take(",") && !matches!(self.peek(), Token::Sign(")")) {
                break;
            }
        }
        Ok(list)
    }
}

/// A number as a reply carries it: cut, not rounded.
#[expect(clippy::cast_possible_truncation, reason = "Redis cuts the same way")]
fn whole(n: f64) -> i64 {
    n as i64
}

fn text_of(value: &Lua) -> Vec<u8> {
    match value {
        Lua::Text(t) => t.to_vec(),
        Lua::Number(n) if n.fract() == 0.0 && n.abs() < 1e15 => format!("{n:.0}").into_bytes(),
        Lua::Number(n) => n.to_string().into_bytes(),
        Lua::Bool(b) => b.to_string().into_bytes(),
        Lua::Nil => b"nil".to_vec(),
        Lua::Status(s) | Lua::Error(s) => s.clone().into_bytes(),
        Lua::Table(_) => b"table: 0x7f41c8e0d4a0".to_vec(),
    }
}

fn number_of(value: &Lua) -> Option<f64> {
    match value {
        Lua::Number(n) => Some(*n),
        Lua::Text(t) => super::message::double(t),
        _ => None,
    }
}

fn kind(value: &Lua) -> &'static str {
    match value {
        Lua::Nil => "nil",
        Lua::Bool(_) => "boolean",
        Lua::Number(_) => "number",
        Lua::Text(_) => "string",
        _ => "table",
    }
}
