//! `awk`: patterns and actions, arrays, functions, `printf`. Output to files and commands waits until the
//! program is at an end; input from commands gives nothing.
#![expect(clippy::cast_possible_truncation, reason = "awk's numbers become integers by saturation, which is what `as` does")]

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use super::{
    opts::text,
    printf::{general, leading_float, spec},
    regex::{Kind, compile},
};
use crate::shell::{WriteMode, proc::Proc};

#[derive(Clone, Debug)]
enum V {
    Num(f64),
    Str(Arc<[u8]>),
    /// Input text that may be a number.
    Maybe(Arc<[u8]>),
    None,
}

impl V {
    fn str(s: impl AsRef<[u8]>) -> Self {
        Self::Str(s.as_ref().into())
    }

    fn num(&self) -> f64 {
        match self {
            Self::Num(n) => *n,
            Self::Str(s) | Self::Maybe(s) => leading_float(&String::from_utf8_lossy(s)),
            Self::None => 0.0,
        }
    }

    fn text(&self) -> Vec<u8> {
        match self {
            Self::Num(n) => number(*n, "%.6g"),
            Self::Str(s) | Self::Maybe(s) => s.to_vec(),
            Self::None => Vec::new(),
        }
    }

    fn truth(&self) -> bool {
        match self {
            Self::Num(n) => *n != 0.0,
            Self::Str(s) => !s.is_empty(),
            Self::Maybe(s) => {
                if looks_numeric(s) {
                    self.num() != 0.0
                } else {
                    !s.is_empty()
                }
            }
            Self::None => false,
        }
    }

    fn numeric(&self) -> bool {
        match self {
            Self::Num(_) | Self::None => true,
            Self::Maybe(s) => looks_numeric(s),
            Self::Str(_) => false,
        }
    }
}

fn looks_numeric(s: &[u8]) -> bool {
    let t = String::from_utf8_lossy(s);
    let t = t.trim();
    !t.is_empty() && t.parse::<f64>().is_ok() && !t.to_ascii_lowercase().contains(['n', 'i'])
}

fn number(n: f64, format: &str) -> Vec<u8> {
    if n == n.trunc() && n.abs() < 1e16 {
        return format!("{n:.0}").trim_start_matches("-0").to_owned().into_bytes().into_iter().collect::<Vec<u8>>().pipe(|v| {
            if v.is_empty() {
                b"0".to_vec()
            } else if n < 0.0 && n > -1.0 {
                v
            } else {
                format!("{}", n as i64).into_bytes()
            }
        });
    }
    let precision = format.trim_start_matches("%.").trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().unwrap_or(6);
    let sign = if n < 0.0 { "-" } else { "" };
    if n.is_nan() {
        return b"nan".to_vec();
    }
    if n.is_infinite() {
        return format!("{sign}inf").into_bytes();
    }
    format!("{sign}{}", general(n.abs(), precision, false)).into_bytes()
}

trait Pipe: Sized {
    fn pipe<T>(self, f: impl FnOnce(Self) -> T) -> T {
        f(self)
    }
}
impl Pipe for Vec<u8> {}

#[derive(Debug, Clone, PartialEq)]
enum Tok {
    Num(f64),
    Str(Vec<u8>),
    Re(Vec<u8>),
    Name(String),
    Func(String),
    Op(&'static str),
    Newline,
    End,
}

const OPS: &[&str] = &[
    "**=", "&&", "||", "==", "!=", "<=", ">=", ">>", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", "!~", "{", "}", "(", ")", "[",
    "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|", "?", ":", "~", "$", "=",
];

fn lex(src: &[u8]) -> Result<Vec<Tok>, String> {
    let mut out: Vec<Tok> = Vec::new();
    let mut at = 0;
    while let Some(&c) = src.get(at) {
        match c {
            b' ' | b'\t' | b'\r' => at += 1,
            b'\n' => {
                out.push(Tok::Newline);
                at += 1;
            }
            b'\\' if src.get(at + 1) == Some(&b'\n') => at += 2,
            b'#' => {
                while src.get(at).is_some_and(|c| *c != b'\n') {
                    at += 1;
                }
            }
            b'"' => {
                at += 1;
                let mut s = Vec::new();
                loop {
                    match src.get(at) {
                        None | Some(b'\n') => return Err(format!("runaway string constant \"{} ...", String::from_utf8_lossy(&s))),
                        Some(b'"') => break,
                        Some(b'\\') => {
                            let n = src.get(at + 1).copied().unwrap_or(b'\\');
                            at += 2;
                            match n {
                                b'n' => s.push(b'\n'),
                                b't' => s.push(b'\t'),
                                b'r' => s.push(b'\r'),
                                b'a' => s.push(7),
                                b'b' => s.push(8),
                                b'f' => s.push(12),
                                b'v' => s.push(11),
                                b'\\' => s.push(b'\\'),
                                b'"' => s.push(b'"'),
                                b'/' => s.push(b'/'),
                                b'0'..=b'7' => {
                                    let mut v = u32::from(n - b'0');
                                    for _ in 0..2 {
                                        if let Some(d @ b'0'..=b'7') = src.get(at) {
                                            v = v * 8 + u32::from(d - b'0');
                                            at += 1;
                                        }
                                    }
                                    s.push((v & 255) as u8);
                                }
                                n => s.extend_from_slice(&[b'\\', n]),
                            }
                        }
                        Some(&c) => {
                            s.push(c);
                            at += 1;
                        }
                    }
                }
                at += 1;
                out.push(Tok::Str(s));
            }
            b'/' if !matches!(out.last(), Some(Tok::Num(_) | Tok::Str(_) | Tok::Name(_) | Tok::Op(")" | "]" | "$" | "++" | "--"))) => {
                at += 1;
                let mut s = Vec::new();
                let mut set = false;
                loop {
                    match src.get(at) {
                        None | Some(b'\n') => return Err(format!("runaway regular expression /{} ...", String::from_utf8_lossy(&s))),
                        Some(b'/') if !set => break,
                        Some(b'\\') => {
                            if src.get(at + 1) == Some(&b'/') {
                                s.push(b'/');
                            } else {
                                s.push(b'\\');
                                s.extend(src.get(at + 1));
                            }
                            at += 2;
                        }
                        Some(&c) => {
                            if c == b'[' {
                                set = true;
                            } else if c == b']' {
                                set = false;
                            }
                            s.push(c);
                            at += 1;
                        }
                    }
                }
                at += 1;
                out.push(Tok::Re(s));
            }
            c if c.is_ascii_digit() || (c == b'.' && src.get(at + 1).is_some_and(u8::is_ascii_digit)) => {
                let from = at;
                while src.get(at).is_some_and(|c| c.is_ascii_digit() || *c == b'.')
                    || (matches!(src.get(at), Some(b'e' | b'E'))
                        && src.get(at + 1).is_some_and(|d| d.is_ascii_digit() || matches!(d, b'+' | b'-')))
                    || (matches!(src.get(at), Some(b'+' | b'-')) && matches!(src.get(at - 1), Some(b'e' | b'E')))
                {
                    at += 1;
                }
                out.push(Tok::Num(leading_float(&String::from_utf8_lossy(src.get(from..at).unwrap_or_default()))));
            }
            c if c.is_ascii_alphabetic() || c == b'_' => {
                let from = at;
                while src.get(at).is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_') {
                    at += 1;
                }
                let name = String::from_utf8_lossy(src.get(from..at).unwrap_or_default()).into_owned();
                out.push(if src.get(at) == Some(&b'(') && !KEYWORDS.contains(&name.as_str()) { Tok::Func(name) } else { Tok::Name(name) });
            }
            _ => match OPS.iter().find(|o| src.get(at..).is_some_and(|r| r.starts_with(o.as_bytes()))) {
                Some(o) => {
                    out.push(Tok::Op(o));
                    at += o.len();
                }
                None => return Err(format!("unexpected character '{}'", char::from(c))),
            },
        }
        if out.len() > 100_000 {
            return Err("program too long".into());
        }
    }
    out.push(Tok::End);
    Ok(out)
}

const KEYWORDS: &[&str] = &[
    "if", "else", "while", "for", "do", "print", "printf", "return", "in", "next", "exit", "break", "continue", "delete", "getline",
    "BEGIN", "END", "function", "func",
];

#[derive(Debug)]
enum E {
    Num(f64),
    Str(Arc<[u8]>),
    Re(regex::bytes::Regex),
    Var(String),
    Elem(String, Vec<Self>),
    Field(Box<Self>),
    Set(Box<Self>, Box<Self>),
    SetOp(u8, Box<Self>, Box<Self>),
    Inc(Box<Self>, f64, bool),
    Bin(u8, Box<Self>, Box<Self>),
    Cmp(&'static str, Box<Self>, Box<Self>),
    Match(Box<Self>, Box<Self>, bool),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Neg(Box<Self>),
    Cond(Box<Self>, Box<Self>, Box<Self>),
    Cat(Box<Self>, Box<Self>),
    In(Vec<Self>, String),
    Call(String, Vec<Self>),
    Getline,
}

#[derive(Debug)]
enum S {
    Expr(E),
    Print(Vec<E>, Option<(u8, E)>),
    Printf(Vec<E>, Option<(u8, E)>),
    If(E, Box<Self>, Option<Box<Self>>),
    While(E, Box<Self>),
    Do(Box<Self>, E),
    For(Option<Box<Self>>, Option<E>, Option<Box<Self>>, Box<Self>),
    ForIn(String, String, Box<Self>),
    Block(Vec<Self>),
    Next,
    Exit(Option<E>),
    Break,
    Continue,
    Return(Option<E>),
    Delete(String, Option<Vec<E>>),
    Nothing,
}

#[derive(Debug)]
enum Pattern {
    Begin,
    End,
    Always,
    One(E),
    Range(E, E),
}

#[derive(Debug)]
struct Fun {
    params: Vec<String>,
    body: S,
}

struct P {
    toks: Vec<Tok>,
    at: usize,
    depth: u32,
    no_in: bool,
    no_gt: bool,
}

type R<T> = Result<T, String>;
/// Patterns with what is done where they fit.
type Rules = Vec<(Pattern, Option<S>)>;

impl P {
    fn peek(&self) -> &Tok {
        self.toks.get(self.at).unwrap_or(&Tok::End)
    }

    fn is(&self, o: &str) -> bool {
        matches!(self.peek(), Tok::Op(x) if *x == o)
    }

    fn name(&self, n: &str) -> bool {
        matches!(self.peek(), Tok::Name(x) if x == n)
    }

    fn eat(&mut self, o: &str) -> bool {
        let yes = self.is(o);
        self.at += usize::from(yes);
        yes
    }

    fn want(&mut self, o: &str) -> R<()> {
        if self.eat(o) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> String {
        let shown = match self.peek() {
            Tok::Num(n) => String::from_utf8_lossy(&number(*n, "%.6g")).into_owned(),
            Tok::Str(s) => String::from_utf8_lossy(s).into_owned(),
            Tok::Re(s) => format!("/{}/", String::from_utf8_lossy(s)),
            Tok::Name(n) | Tok::Func(n) => n.clone(),
            Tok::Op(o) => (*o).to_owned(),
            Tok::Newline => "newline".into(),
            Tok::End => "end of file".into(),
        };
        if matches!(self.peek(), Tok::End) {
            "syntax error at or near end of line".into()
        } else {
            format!("syntax error at or near {shown}")
        }
    }

    fn newlines(&mut self) {
        while matches!(self.peek(), Tok::Newline) || self.is(";") {
            self.at += 1;
        }
    }

    fn only_newlines(&mut self) {
        while matches!(self.peek(), Tok::Newline) {
            self.at += 1;
        }
    }

    fn deeper(&mut self) -> R<()> {
        self.depth += 1;
        if self.depth > 60 { Err("expression too deep".into()) } else { Ok(()) }
    }

    fn program(&mut self) -> R<(Rules, BTreeMap<String, Fun>)> {
        let mut rules = Vec::new();
        let mut funs = BTreeMap::new();
        loop {
            self.newlines();
            if matches!(self.peek(), Tok::End) {
                return Ok((rules, funs));
            }
            if self.name("function") || self.name("func") {
                self.at += 1;
                let (Tok::Func(name) | Tok::Name(name)) = self.peek().clone() else { return Err(self.unexpected()) };
                self.at += 1;
                self.want("(")?;
                let mut params = Vec::new();
                while let Tok::Name(n) = self.peek().clone() {
                    self.at += 1;
                    params.push(n);
                    if !self.eat(",") {
                        break;
                    }
                    self.only_newlines();
                }
                self.want(")")?;
                self.only_newlines();
                let body = self.block()?;
                funs.insert(name, Fun { params, body });
                continue;
            }
            let pattern = if self.name("BEGIN") {
                self.at += 1;
                Pattern::Begin
            } else if self.name("END") {
                self.at += 1;
                Pattern::End
            } else if self.is("{") {
                Pattern::Always
            } else {
                let a = self.expr()?;
                if self.eat(",") {
                    self.only_newlines();
                    Pattern::Range(a, self.expr()?)
                } else {
                    Pattern::One(a)
                }
            };
            if self.is("{") {
                let body = self.block()?;
                rules.push((pattern, Some(body)));
            } else {
                if matches!(pattern, Pattern::Begin | Pattern::End) {
                    return Err(self.unexpected());
                }
                rules.push((pattern, None));
            }
        }
    }

    fn block(&mut self) -> R<S> {
        self.want("{")?;
        self.deeper()?;
        let mut out = Vec::new();
        loop {
            self.newlines();
            if self.eat("}") {
                self.depth -= 1;
                return Ok(S::Block(out));
            }
            if matches!(self.peek(), Tok::End) {
                return Err(self.unexpected());
            }
            out.push(self.stmt()?);
        }
    }

    fn end_stmt(&mut self) -> R<()> {
        match self.peek() {
            Tok::Newline => {
                self.at += 1;
                Ok(())
            }
            Tok::Op(";") => {
                self.at += 1;
                Ok(())
            }
            Tok::Op("}") | Tok::End => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    fn body(&mut self) -> R<Box<S>> {
        self.only_newlines();
        if self.eat(";") {
            return Ok(Box::new(S::Nothing));
        }
        Ok(Box::new(self.stmt()?))
    }

    fn stmt(&mut self) -> R<S> {
        self.deeper()?;
        let s = self.stmt_inner();
        self.depth -= 1;
        s
    }

    fn stmt_inner(&mut self) -> R<S> {
        if self.is("{") {
            return self.block();
        }
        if let Tok::Name(n) = self.peek().clone() {
            match n.as_str() {
                "if" => {
                    self.at += 1;
                    self.want("(")?;
                    let c = self.expr()?;
                    self.want(")")?;
                    let then = self.body()?;
                    let saved = self.at;
                    self.newlines();
                    if self.name("else") {
                        self.at += 1;
                        return Ok(S::If(c, then, Some(self.body()?)));
                    }
                    self.at = saved;
                    return Ok(S::If(c, then, None));
                }
                "while" => {
                    self.at += 1;
                    self.want("(")?;
                    let c = self.expr()?;
                    self.want(")")?;
                    return Ok(S::While(c, self.body()?));
                }
                "do" => {
                    self.at += 1;
                    let b = self.body()?;
                    self.newlines();
                    if !self.name("while") {
                        return Err(self.unexpected());
                    }
                    self.at += 1;
                    self.want("(")?;
                    let c = self.expr()?;
                    self.want(")")?;
                    self.end_stmt()?;
                    return Ok(S::Do(b, c));
                }
                "for" => {
                    self.at += 1;
                    self.want("(")?;
                    if let (Tok::Name(v), Some(Tok::Name(i)), Some(Tok::Name(a)), Some(Tok::Op(")"))) = (
                        self.peek().clone(),
                        self.toks.get(self.at + 1).cloned(),
                        self.toks.get(self.at + 2).cloned(),
                        self.toks.get(self.at + 3).cloned(),
                    ) && i == "in"
                    {
                        self.at += 4;
                        return Ok(S::ForIn(v, a, self.body()?));
                    }
                    let init = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
                    self.want(";")?;
                    self.only_newlines();
                    let cond = if self.is(";") { None } else { Some(self.expr()?) };
                    self.want(";")?;
                    self.only_newlines();
                    let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
                    self.want(")")?;
                    return Ok(S::For(init, cond, step, self.body()?));
                }
                _ => {}
            }
        }
        let s = self.simple()?;
        self.end_stmt()?;
        Ok(s)
    }

    fn simple(&mut self) -> R<S> {
        let Tok::Name(n) = self.peek().clone() else { return Ok(S::Expr(self.expr()?)) };
        match n.as_str() {
            "print" | "printf" => {
                self.at += 1;
                let mut args = Vec::new();
                let ends = |t: &Tok| matches!(t, Tok::Newline | Tok::End | Tok::Op(";" | "}" | ">" | ">>" | "|"));
                if !ends(self.peek()) {
                    let saved = self.no_gt;
                    self.no_gt = true;
                    if self.is("(") {
                        // `print (a, b) > f` or an expression that begins with a bracket
                        let start = self.at;
                        self.at += 1;
                        self.no_gt = false;
                        let mut list = vec![self.expr()?];
                        while self.eat(",") {
                            self.only_newlines();
                            list.push(self.expr()?);
                        }
                        self.no_gt = true;
                        if self.eat(")") && ends(self.peek()) {
                            args = list;
                        } else {
                            self.at = start;
                            args.push(self.expr()?);
                        }
                    } else {
                        args.push(self.expr()?);
                    }
                    while self.eat(",") {
                        self.only_newlines();
                        args.push(self.expr()?);
                    }
                    self.no_gt = saved;
                }
                let to = if self.eat(">>") {
                    Some((b'a', self.cat()?))
                } else if self.eat(">") {
                    Some((b'>', self.cat()?))
                } else if self.eat("|") {
                    Some((b'|', self.cat()?))
                } else {
                    None
                };
                Ok(if n == "print" { S::Print(args, to) } else { S::Printf(args, to) })
            }
            "next" => {
                self.at += 1;
                Ok(S::Next)
            }
            "break" => {
                self.at += 1;
                Ok(S::Break)
            }
            "continue" => {
                self.at += 1;
                Ok(S::Continue)
            }
            "exit" | "return" => {
                self.at += 1;
                let v = if matches!(self.peek(), Tok::Newline | Tok::End | Tok::Op(";" | "}")) { None } else { Some(self.expr()?) };
                Ok(if n == "exit" { S::Exit(v) } else { S::Return(v) })
            }
            "delete" => {
                self.at += 1;
                let Tok::Name(a) = self.peek().clone() else { return Err(self.unexpected()) };
                self.at += 1;
                if self.eat("[") {
                    let i = self.list("]")?;
                    return Ok(S::Delete(a, Some(i)));
                }
                Ok(S::Delete(a, None))
            }
            _ => Ok(S::Expr(self.expr()?)),
        }
    }

    fn list(&mut self, end: &str) -> R<Vec<E>> {
        let saved = (self.no_gt, self.no_in);
        (self.no_gt, self.no_in) = (false, false);
        let mut out = Vec::new();
        self.only_newlines();
        while !self.is(end) {
            out.push(self.expr()?);
            self.only_newlines();
            if !self.eat(",") {
                break;
            }
            self.only_newlines();
        }
        self.want(end)?;
        (self.no_gt, self.no_in) = saved;
        Ok(out)
    }

    fn expr(&mut self) -> R<E> {
        self.deeper()?;
        let e = self.assign();
        self.depth -= 1;
        e
    }

    fn assign(&mut self) -> R<E> {
        let left = self.ternary()?;
        let op = match self.peek() {
            Tok::Op("=") => 0,
            Tok::Op("+=") => b'+',
            Tok::Op("-=") => b'-',
            Tok::Op("*=") => b'*',
            Tok::Op("/=") => b'/',
            Tok::Op("%=") => b'%',
            Tok::Op("^=" | "**=") => b'^',
            _ => return Ok(left),
        };
        if !matches!(left, E::Var(_) | E::Elem(..) | E::Field(_)) {
            return Err(self.unexpected());
        }
        self.at += 1;
        self.only_newlines();
        let right = self.expr()?;
        Ok(if op == 0 { E::Set(Box::new(left), Box::new(right)) } else { E::SetOp(op, Box::new(left), Box::new(right)) })
    }

    fn ternary(&mut self) -> R<E> {
        let c = self.or()?;
        if self.eat("?") {
            self.only_newlines();
            let a = self.expr()?;
            self.only_newlines();
            self.want(":")?;
            self.only_newlines();
            let b = self.expr()?;
            return Ok(E::Cond(Box::new(c), Box::new(a), Box::new(b)));
        }
        Ok(c)
    }

    fn or(&mut self) -> R<E> {
        let mut l = self.and()?;
        while self.eat("||") {
            self.only_newlines();
            l = E::Or(Box::new(l), Box::new(self.and()?));
        }
        Ok(l)
    }

    fn and(&mut self) -> R<E> {
        let mut l = self.contains()?;
        while self.eat("&&") {
            self.only_newlines();
            l = E::And(Box::new(l), Box::new(self.contains()?));
        }
        Ok(l)
    }

    fn contains(&mut self) -> R<E> {
        let mut l = self.matching()?;
        while !self.no_in && self.name("in") {
            self.at += 1;
            let Tok::Name(a) = self.peek().clone() else { return Err(self.unexpected()) };
            self.at += 1;
            l = E::In(vec![l], a);
        }
        Ok(l)
    }

    fn matching(&mut self) -> R<E> {
        let mut l = self.compare()?;
        loop {
            let not = match self.peek() {
                Tok::Op("~") => false,
                Tok::Op("!~") => true,
                _ => return Ok(l),
            };
            self.at += 1;
            l = E::Match(Box::new(l), Box::new(self.compare()?), not);
        }
    }

    fn compare(&mut self) -> R<E> {
        let l = self.cat()?;
        let op = match self.peek() {
            Tok::Op(o @ ("<" | "<=" | "==" | "!=" | ">=")) => *o,
            Tok::Op(">") if !self.no_gt => ">",
            _ => return Ok(l),
        };
        self.at += 1;
        let r = self.cat()?;
        Ok(E::Cmp(op, Box::new(l), Box::new(r)))
    }

    fn cat(&mut self) -> R<E> {
        let mut l = self.sum()?;
        loop {
            let starts = match self.peek() {
                Tok::Num(_) | Tok::Str(_) | Tok::Re(_) | Tok::Func(_) => true,
                Tok::Name(n) => n != "in" && !KEYWORDS.contains(&n.as_str()),
                Tok::Op("$" | "!" | "(" | "-" | "+" | "++" | "--") => true,
                _ => false,
            };
            if !starts || matches!(self.peek(), Tok::Op("-" | "+")) {
                return Ok(l);
            }
            l = E::Cat(Box::new(l), Box::new(self.sum()?));
        }
    }

    fn sum(&mut self) -> R<E> {
        let mut l = self.product()?;
        loop {
            let op = match self.peek() {
                Tok::Op("+") => b'+',
                Tok::Op("-") => b'-',
                _ => return Ok(l),
            };
            self.at += 1;
            l = E::Bin(op, Box::new(l), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> R<E> {
        let mut l = self.unary()?;
        loop {
            let op = match self.peek() {
                Tok::Op("*") => b'*',
                Tok::Op("/") => b'/',
                Tok::Op("%") => b'%',
                _ => return Ok(l),
            };
            self.at += 1;
            l = E::Bin(op, Box::new(l), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> R<E> {
        self.deeper()?;
        let e = if self.eat("!") {
            E::Not(Box::new(self.unary()?))
        } else if self.eat("-") {
            E::Neg(Box::new(self.unary()?))
        } else if self.eat("+") {
            E::Bin(b'+', Box::new(E::Num(0.0)), Box::new(self.unary()?))
        } else {
            self.power()?
        };
        self.depth -= 1;
        Ok(e)
    }

    fn power(&mut self) -> R<E> {
        let l = self.postfix()?;
        if self.eat("^") || self.eat("**") {
            self.deeper()?;
            let r = if self.eat("-") { E::Neg(Box::new(self.power()?)) } else { self.power()? };
            self.depth -= 1;
            return Ok(E::Bin(b'^', Box::new(l), Box::new(r)));
        }
        Ok(l)
    }

    fn postfix(&mut self) -> R<E> {
        if self.eat("++") {
            let e = self.primary()?;
            return Ok(E::Inc(Box::new(e), 1.0, true));
        }
        if self.eat("--") {
            let e = self.primary()?;
            return Ok(E::Inc(Box::new(e), -1.0, true));
        }
        let e = self.primary()?;
        if matches!(e, E::Var(_) | E::Elem(..) | E::Field(_)) {
            if self.eat("++") {
                return Ok(E::Inc(Box::new(e), 1.0, false));
            }
            if self.eat("--") {
                return Ok(E::Inc(Box::new(e), -1.0, false));
            }
        }
        Ok(e)
    }

    fn primary(&mut self) -> R<E> {
        let t = self.peek().clone();
        self.at += 1;
        match t {
            Tok::Num(n) => Ok(E::Num(n)),
            Tok::Str(s) => Ok(E::Str(s.into())),
            Tok::Re(s) => Ok(E::Re(compile(&s, Kind::Extended, false)?)),
            Tok::Op("$") => {
                self.deeper()?;
                let e = if self.eat("++") {
                    E::Inc(Box::new(self.primary()?), 1.0, true)
                } else if self.eat("-") {
                    E::Neg(Box::new(self.primary()?))
                } else {
                    self.primary()?
                };
                self.depth -= 1;
                Ok(E::Field(Box::new(e)))
            }
            Tok::Op("(") => {
                let saved = (self.no_gt, self.no_in);
                (self.no_gt, self.no_in) = (false, false);
                let mut list = vec![self.expr()?];
                while self.eat(",") {
                    self.only_newlines();
                    list.push(self.expr()?);
                }
                self.want(")")?;
                (self.no_gt, self.no_in) = saved;
                if list.len() > 1 {
                    if !self.name("in") {
                        return Err(self.unexpected());
                    }
                    self.at += 1;
                    let Tok::Name(a) = self.peek().clone() else { return Err(self.unexpected()) };
                    self.at += 1;
                    return Ok(E::In(list, a));
                }
                let one = list.pop().unwrap_or(E::Num(0.0));
                // A grouping is no longer an l-value on its own.
                Ok(one)
            }
            Tok::Func(n) => {
                self.want("(")?;
                Ok(E::Call(n, self.list(")")?))
            }
            Tok::Name(n) if n == "getline" => {
                if let Tok::Name(v) = self.peek().clone()
                    && !KEYWORDS.contains(&v.as_str())
                {
                    self.at += 1;
                }
                if self.eat("<") {
                    self.primary()?;
                }
                Ok(E::Getline)
            }
            Tok::Name(n) if n == "length" => Ok(E::Call(n, Vec::new())),
            Tok::Name(n) if !KEYWORDS.contains(&n.as_str()) => {
                if self.eat("[") {
                    return Ok(E::Elem(n, self.list("]")?));
                }
                Ok(E::Var(n))
            }
            _ => {
                self.at -= 1;
                Err(self.unexpected())
            }
        }
    }
}

enum Flow {
    Go,
    Break,
    Continue,
    Next,
    Exit,
    Return(V),
}

type Array = BTreeMap<Vec<u8>, V>;

#[derive(Default)]
struct Frame {
    vars: BTreeMap<String, V>,
    /// Names of arrays handed over by reference.
    arrays: BTreeMap<String, String>,
}

struct M<'a> {
    vars: BTreeMap<String, V>,
    arrays: BTreeMap<String, Array>,
    frames: Vec<Frame>,
    funs: &'a BTreeMap<String, Fun>,
    record: Vec<u8>,
    fields: Vec<V>,
    split: bool,
    rebuilt: bool,
    out: Vec<u8>,
    to: Vec<(u8, Vec<u8>, Vec<u8>)>,
    fuel: u64,
    status: i32,
    seed: u32,
    last_seed: f64,
    cache: BTreeMap<Vec<u8>, Rc<regex::bytes::Regex>>,
    bytes: usize,
    error: Option<String>,
    temp: u32,
}

impl M<'_> {
    fn get(&self, n: &str) -> V {
        if let Some(f) = self.frames.last()
            && let Some(v) = f.vars.get(n)
        {
            return v.clone();
        }
        match n {
            "NF" if !self.split => V::Num(split_fields(&self.record, &self.get("FS").text()).len() as f64),
            "NF" => V::Num(self.fields.len() as f64),
            _ => self.vars.get(n).cloned().unwrap_or(V::None),
        }
    }

    fn set(&mut self, n: &str, v: V) {
        self.bytes += v.text().len().saturating_sub(16);
        if let Some(f) = self.frames.last_mut()
            && let Some(slot) = f.vars.get_mut(n)
        {
            *slot = v;
            return;
        }
        if n == "NF" {
            self.need_split();
            let len = (v.num().max(0.0) as usize).min(100_000);
            self.fields.resize(len, V::str(b""));
            self.rebuilt = true;
            return;
        }
        self.vars.insert(n.to_owned(), v);
    }

    fn array_name(&self, n: &str) -> String {
        self.frames.last().and_then(|f| f.arrays.get(n)).cloned().unwrap_or_else(|| n.to_owned())
    }

    fn need_split(&mut self) {
        if !self.split {
            let fs = self.get("FS").text();
            self.fields = split_fields(&self.record, &fs).into_iter().map(|f| V::Maybe(f.into())).collect();
            self.split = true;
        }
    }

    fn field(&mut self, n: usize) -> V {
        if n == 0 {
            if self.rebuilt {
                let ofs = self.get("OFS").text();
                self.record = self.fields.iter().map(V::text).collect::<Vec<_>>().join(&ofs[..]);
                self.rebuilt = false;
            }
            return V::Maybe(self.record.clone().into());
        }
        self.need_split();
        self.fields.get(n - 1).cloned().unwrap_or(V::None)
    }

    fn set_field(&mut self, n: usize, v: V) {
        if n == 0 {
            self.record = v.text();
            self.split = false;
            self.rebuilt = false;
            return;
        }
        self.need_split();
        let n = n.min(100_000);
        if self.fields.len() < n {
            self.fields.resize(n, V::str(b""));
        }
        if let Some(slot) = self.fields.get_mut(n - 1) {
            *slot = v;
        }
        self.rebuilt = true;
    }

    fn key(&mut self, list: &[E]) -> Vec<u8> {
        let parts: Vec<Vec<u8>> = list.iter().map(|e| self.eval(e).text()).collect();
        parts.join(&b"\x1c"[..])
    }

    fn store(&mut self, target: &E, v: V) {
        match target {
            E::Var(n) => self.set(n, v),
            E::Elem(a, i) => {
                let k = self.key(i);
                let a = self.array_name(a);
                self.bytes += k.len() + 64;
                if self.bytes < 24 << 20 {
                    self.arrays.entry(a).or_default().insert(k, v);
                }
            }
            E::Field(e) => {
                let n = self.eval(e).num();
                self.set_field(n.max(0.0) as usize, v);
            }
            _ => {}
        }
    }

    fn regex(&mut self, e: &E) -> Option<Rc<regex::bytes::Regex>> {
        let pattern = match e {
            E::Re(r) => return Some(Rc::new(r.clone())),
            e => self.eval(e).text(),
        };
        if let Some(r) = self.cache.get(&pattern) {
            return Some(Rc::clone(r));
        }
        let r = Rc::new(compile(&pattern, Kind::Extended, false).ok()?);
        if self.cache.len() < 200 {
            self.cache.insert(pattern, Rc::clone(&r));
        }
        Some(r)
    }

    fn eval(&mut self, e: &E) -> V {
        if self.fuel == 0 {
            return V::None;
        }
        self.fuel -= 1;
        match e {
            E::Num(n) => V::Num(*n),
            E::Str(s) => V::Str(Arc::clone(s)),
            E::Re(r) => {
                let line = self.field(0).text();
                V::Num(f64::from(u8::from(r.is_match(&line))))
            }
            E::Var(n) => self.get(n),
            E::Elem(a, i) => {
                let k = self.key(i);
                let a = self.array_name(a);
                self.bytes += 32;
                self.arrays.entry(a).or_default().entry(k).or_insert(V::None).clone()
            }
            E::Field(f) => {
                let n = self.eval(f).num();
                self.field(n.max(0.0) as usize)
            }
            E::Set(t, v) => {
                let v = self.eval(v);
                self.store(t, v.clone());
                v
            }
            E::SetOp(op, t, v) => {
                let r = self.eval(v).num();
                let l = self.eval(t).num();
                let v = V::Num(self.math(*op, l, r));
                self.store(t, v.clone());
                v
            }
            E::Inc(t, by, before) => {
                let old = self.eval(t).num();
                self.store(t, V::Num(old + by));
                V::Num(if *before { old + by } else { old })
            }
            E::Bin(op, l, r) => {
                let (l, r) = (self.eval(l).num(), self.eval(r).num());
                V::Num(self.math(*op, l, r))
            }
            E::Cmp(op, l, r) => {
                let (l, r) = (self.eval(l), self.eval(r));
                let ord = if l.numeric() && r.numeric() {
                    l.num().partial_cmp(&r.num()).unwrap_or(std::cmp::Ordering::Greater)
                } else {
                    l.text().cmp(&r.text())
                };
                let yes = match *op {
                    "<" => ord.is_lt(),
                    "<=" => ord.is_le(),
                    "==" => ord.is_eq(),
                    "!=" => ord.is_ne(),
                    ">" => ord.is_gt(),
                    _ => ord.is_ge(),
                };
                V::Num(f64::from(u8::from(yes)))
            }
            E::Match(l, r, not) => {
                let text = self.eval(l).text();
                let hit = self.regex(r).is_some_and(|re| re.is_match(&text));
                V::Num(f64::from(u8::from(hit != *not)))
            }
            E::And(l, r) => V::Num(f64::from(u8::from(self.eval(l).truth() && self.eval(r).truth()))),
            E::Or(l, r) => V::Num(f64::from(u8::from(self.eval(l).truth() || self.eval(r).truth()))),
            E::Not(e) => V::Num(f64::from(u8::from(!self.eval(e).truth()))),
            E::Neg(e) => V::Num(-self.eval(e).num()),
            E::Cond(c, a, b) => {
                if self.eval(c).truth() {
                    self.eval(a)
                } else {
                    self.eval(b)
                }
            }
            E::Cat(l, r) => {
                let mut t = self.eval(l).text();
                t.extend(self.eval(r).text());
                self.bytes += t.len() / 8;
                if t.len() > 4 << 20 {
                    self.fuel = 0;
                }
                V::Str(t.into())
            }
            E::In(i, a) => {
                let k = self.key(i);
                let a = self.array_name(a);
                V::Num(f64::from(u8::from(self.arrays.get(&a).is_some_and(|m| m.contains_key(&k)))))
            }
            E::Getline => V::Num(0.0),
            E::Call(n, args) => self.call(n, args),
        }
    }

    fn math(&mut self, op: u8, l: f64, r: f64) -> f64 {
        match op {
            b'+' => l + r,
            b'-' => l - r,
            b'*' => l * r,
            b'/' => {
                if r == 0.0 {
                    self.error = Some("division by zero".into());
                    self.fuel = 0;
                    return 0.0;
                }
                l / r
            }
            b'%' => {
                if r == 0.0 {
                    self.error = Some("division by zero in %".into());
                    self.fuel = 0;
                    return 0.0;
                }
                l % r
            }
            _ => l.powf(r),
        }
    }

    fn call(&mut self, n: &str, args: &[E]) -> V {
        if let Some(f) = self.funs.get(n) {
            if self.frames.len() > 60 {
                self.error = Some("function call nesting too deep".into());
                self.fuel = 0;
                return V::None;
            }
            let mut frame = Frame::default();
            for (i, p) in f.params.iter().enumerate() {
                match args.get(i) {
                    Some(E::Var(v)) if self.arrays.contains_key(&self.array_name(v)) && !self.vars.contains_key(v) => {
                        frame.arrays.insert(p.clone(), self.array_name(v));
                    }
                    Some(e) => {
                        let v = self.eval(e);
                        if let (V::None, E::Var(name)) = (&v, e) {
                            frame.arrays.insert(p.clone(), self.array_name(name));
                        }
                        frame.vars.insert(p.clone(), v);
                    }
                    None => {
                        self.temp += 1;
                        frame.arrays.insert(p.clone(), format!(" {}", self.temp));
                        frame.vars.insert(p.clone(), V::None);
                    }
                }
            }
            self.frames.push(frame);
            let flow = self.run(&f.body);
            self.frames.pop();
            return match flow {
                Flow::Return(v) => v,
                Flow::Exit => {
                    self.fuel = 0;
                    V::None
                }
                _ => V::None,
            };
        }
        if matches!(n, "split" | "sub" | "gsub" | "match" | "length") {
            match (n, args) {
                ("length", []) => return V::Num(self.field(0).text().len() as f64),
                ("length", [E::Var(a)]) if self.arrays.contains_key(&self.array_name(a)) => {
                    let a = self.array_name(a);
                    return V::Num(self.arrays.get(&a).map_or(0, Array::len) as f64);
                }
                ("split", [s, E::Var(a), rest @ ..]) => {
                    let text = self.eval(s).text();
                    let parts = match rest.first() {
                        None => {
                            let fs = self.get("FS").text();
                            split_fields(&text, &fs)
                        }
                        Some(E::Re(r)) => split_regex(&text, r),
                        Some(e) => {
                            let fs = self.eval(e).text();
                            split_fields(&text, &fs)
                        }
                    };
                    let n = parts.len();
                    let map = parts.into_iter().enumerate().map(|(i, p)| ((i + 1).to_string().into_bytes(), V::Maybe(p.into()))).collect();
                    let a = self.array_name(a);
                    self.arrays.insert(a, map);
                    return V::Num(n as f64);
                }
                ("sub" | "gsub", [re, with, rest @ ..]) => {
                    let Some(re) = self.regex(re) else { return V::Num(0.0) };
                    let with = self.eval(with).text();
                    let zero = E::Field(Box::new(E::Num(0.0)));
                    let target = rest.first().unwrap_or(&zero);
                    let text = self.eval(target).text();
                    let mut out = Vec::new();
                    let mut at = 0;
                    let mut count = 0;
                    for m in re.find_iter(&text) {
                        count += 1;
                        out.extend_from_slice(text.get(at..m.start()).unwrap_or_default());
                        let mut it = with.iter();
                        while let Some(&c) = it.next() {
                            match c {
                                b'&' => out.extend_from_slice(m.as_bytes()),
                                b'\\' => match it.next() {
                                    Some(b'&') => out.push(b'&'),
                                    Some(b'\\') => out.push(b'\\'),
                                    Some(&o) => out.extend_from_slice(&[b'\\', o]),
                                    None => out.push(b'\\'),
                                },
                                c => out.push(c),
                            }
                        }
                        at = m.end();
                        if n == "sub" || out.len() > 4 << 20 {
                            break;
                        }
                    }
                    if count > 0 {
                        out.extend_from_slice(text.get(at..).unwrap_or_default());
                        self.store(target, V::Str(out.into()));
                    }
                    return V::Num(f64::from(count));
                }
                ("match", [s, re, ..]) => {
                    let text = self.eval(s).text();
                    let hit = self.regex(re).and_then(|r| r.find(&text).map(|m| (m.start(), m.len())));
                    let (start, len) = hit.map_or((0.0, -1.0), |(s, l)| (s as f64 + 1.0, l as f64));
                    self.set("RSTART", V::Num(start));
                    self.set("RLENGTH", V::Num(len));
                    return V::Num(start);
                }
                _ => {}
            }
        }
        let vals: Vec<V> = args.iter().map(|a| self.eval(a)).collect();
        let num = |i: usize| vals.get(i).map_or(0.0, V::num);
        let txt = |i: usize| vals.get(i).map(V::text).unwrap_or_default();
        match n {
            "length" => V::Num(txt(0).len() as f64),
            "substr" => {
                let s = txt(0);
                let from = num(1).round();
                let end = if vals.len() > 2 { from + num(2).round() } else { f64::MAX };
                let a = (from.max(1.0) - 1.0).min(s.len() as f64) as usize;
                let b = (end.max(1.0) - 1.0).min(s.len() as f64) as usize;
                V::str(s.get(a..b.max(a)).unwrap_or_default())
            }
            "index" => {
                let (s, t) = (txt(0), txt(1));
                V::Num(if t.is_empty() { 0.0 } else { s.windows(t.len()).position(|w| w == t).map_or(0.0, |p| p as f64 + 1.0) })
            }
            "tolower" => V::str(txt(0).to_ascii_lowercase()),
            "toupper" => V::str(txt(0).to_ascii_uppercase()),
            "int" => V::Num(num(0).trunc()),
            "sqrt" => V::Num(num(0).sqrt()),
            "exp" => V::Num(num(0).exp()),
            "log" => V::Num(num(0).ln()),
            "sin" => V::Num(num(0).sin()),
            "cos" => V::Num(num(0).cos()),
            "atan2" => V::Num(num(0).atan2(num(1))),
            "rand" => {
                self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                V::Num(f64::from(self.seed >> 8) / 16_777_216.0)
            }
            "srand" => {
                let old = self.last_seed;
                self.last_seed = if vals.is_empty() { f64::from(self.seed) } else { num(0) };
                self.seed = (self.last_seed.to_bits() >> 20) as u32 ^ 0x9e37_79b9;
                V::Num(old)
            }
            "sprintf" => {
                let (f, rest) = vals.split_first().map_or((Vec::new(), Vec::new()), |(f, r)| (f.text(), r.to_vec()));
                V::str(format(&f, &rest))
            }
            "system" => {
                self.to.push((b's', txt(0), Vec::new()));
                V::Num(0.0)
            }
            "close" | "fflush" => V::Num(0.0),
            "systime" | "strftime" | "mktime" => V::Num(0.0),
            _ => {
                self.error = Some(format!("function {n} never defined"));
                self.fuel = 0;
                V::None
            }
        }
    }

    fn emit(&mut self, bytes: Vec<u8>, to: Option<&(u8, E)>) {
        match to {
            None => self.out.extend(bytes),
            Some((how, e)) => {
                let name = self.eval(e).text();
                if name == b"/dev/stdout" || name == b"-" {
                    self.out.extend(bytes);
                    return;
                }
                self.bytes += bytes.len();
                match self.to.iter_mut().find(|(h, n, _)| h == how && *n == name) {
                    Some((_, _, b)) => b.extend(bytes),
                    None => {
                        if self.to.len() < 200 {
                            self.to.push((*how, name, bytes))
                        }
                    }
                }
            }
        }
        if self.out.len() > 4 << 20 || self.bytes > 24 << 20 {
            self.fuel = 0;
        }
    }

    fn run(&mut self, s: &S) -> Flow {
        if self.fuel == 0 {
            return Flow::Exit;
        }
        self.fuel -= 1;
        match s {
            S::Nothing => Flow::Go,
            S::Expr(e) => {
                self.eval(e);
                Flow::Go
            }
            S::Block(list) => {
                for s in list {
                    match self.run(s) {
                        Flow::Go => {}
                        other => return other,
                    }
                }
                Flow::Go
            }
            S::Print(args, to) => {
                let mut line = if args.is_empty() {
                    self.field(0).text()
                } else {
                    let ofs = self.get("OFS").text();
                    let ofmt = text(&self.get("OFMT").text());
                    let parts: Vec<Vec<u8>> = args
                        .iter()
                        .map(|a| match self.eval(a) {
                            V::Num(n) => number(n, &ofmt),
                            v => v.text(),
                        })
                        .collect();
                    parts.join(&ofs[..])
                };
                line.extend(self.get("ORS").text());
                self.emit(line, to.as_ref());
                Flow::Go
            }
            S::Printf(args, to) => {
                let vals: Vec<V> = args.iter().map(|a| self.eval(a)).collect();
                if let Some((f, rest)) = vals.split_first() {
                    let out = format(&f.text(), rest);
                    self.emit(out, to.as_ref());
                }
                Flow::Go
            }
            S::If(c, a, b) => {
                if self.eval(c).truth() {
                    self.run(a)
                } else if let Some(b) = b {
                    self.run(b)
                } else {
                    Flow::Go
                }
            }
            S::While(c, b) => {
                while self.fuel > 0 && self.eval(c).truth() {
                    match self.run(b) {
                        Flow::Go | Flow::Continue => {}
                        Flow::Break => break,
                        other => return other,
                    }
                }
                Flow::Go
            }
            S::Do(b, c) => {
                loop {
                    match self.run(b) {
                        Flow::Go | Flow::Continue => {}
                        Flow::Break => break,
                        other => return other,
                    }
                    if self.fuel == 0 || !self.eval(c).truth() {
                        break;
                    }
                }
                Flow::Go
            }
            S::For(i, c, step, b) => {
                if let Some(i) = i {
                    self.run(i);
                }
                while self.fuel > 0 && c.as_ref().is_none_or(|c| self.eval(c).truth()) {
                    match self.run(b) {
                        Flow::Go | Flow::Continue => {}
                        Flow::Break => break,
                        other => return other,
                    }
                    if let Some(s) = step {
                        self.run(s);
                    }
                }
                Flow::Go
            }
            S::ForIn(v, a, b) => {
                let name = self.array_name(a);
                let mut keys: Vec<Vec<u8>> = self.arrays.get(&name).map(|m| m.keys().cloned().collect()).unwrap_or_default();
                // Numbers in order, as small tables come out of mawk.
                keys.sort_by(|x, y| {
                    match (
                        std::str::from_utf8(x).ok().and_then(|t| t.parse::<f64>().ok()),
                        std::str::from_utf8(y).ok().and_then(|t| t.parse::<f64>().ok()),
                    ) {
                        (Some(x), Some(y)) => x.partial_cmp(&y).unwrap_or(std::cmp::Ordering::Equal),
                        _ => x.cmp(y),
                    }
                });
                for k in keys {
                    self.set(v, V::Maybe(k.into()));
                    match self.run(b) {
                        Flow::Go | Flow::Continue => {}
                        Flow::Break => break,
                        other => return other,
                    }
                }
                Flow::Go
            }
            S::Next => Flow::Next,
            S::Exit(e) => {
                if let Some(e) = e {
                    self.status = self.eval(e).num() as i32 & 255;
                }
                Flow::Exit
            }
            S::Break => Flow::Break,
            S::Continue => Flow::Continue,
            S::Return(e) => {
                let v = e.as_ref().map_or(V::None, |e| self.eval(e));
                Flow::Return(v)
            }
            S::Delete(a, i) => {
                let name = self.array_name(a);
                match i {
                    Some(i) => {
                        let k = self.key(i);
                        if let Some(m) = self.arrays.get_mut(&name) {
                            m.remove(&k);
                        }
                    }
                    None => {
                        self.arrays.insert(name, Array::new());
                    }
                }
                Flow::Go
            }
        }
    }
}

fn split_fields(text: &[u8], fs: &[u8]) -> Vec<Vec<u8>> {
    if text.is_empty() {
        return Vec::new();
    }
    match fs {
        b" " => text.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty()).map(<[u8]>::to_vec).collect(),
        [] => text.iter().map(|b| vec![*b]).collect(),
        [c] if !b"\\^$.|?*+()[{".contains(c) => text.split(|b| b == c).map(<[u8]>::to_vec).collect(),
        [c] if *c != b'\\' => text.split(|b| b == c).map(<[u8]>::to_vec).collect(),
        re => match compile(re, Kind::Extended, false) {
            Ok(r) => split_regex(text, &r),
            Err(_) => vec![text.to_vec()],
        },
    }
}

fn split_regex(text: &[u8], r: &regex::bytes::Regex) -> Vec<Vec<u8>> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut at = 0;
    for m in r.find_iter(text) {
        if m.is_empty() {
            continue;
        }
        out.push(text.get(at..m.start()).unwrap_or_default().to_vec());
        at = m.end();
    }
    out.push(text.get(at..).unwrap_or_default().to_vec());
    out
}

fn format(f: &[u8], args: &[V]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut used = 0;
    while let Some(&c) = f.get(at) {
        at += 1;
        if c != b'%' {
            out.push(c);
            continue;
        }
        if f.get(at) == Some(&b'%') {
            out.push(b'%');
            at += 1;
            continue;
        }
        let s = {
            let mut star = || {
                let n = args.get(used).map_or(0.0, V::num) as i64;
                used += 1;
                n
            };
            spec(f, &mut at, &mut star)
        };
        let Some(&k) = f.get(at) else { break };
        at += 1;
        let v = args.get(used).cloned().unwrap_or(V::None);
        used += 1;
        match k {
            b'd' | b'i' => out.extend(s.signed(v.num().trunc() as i64)),
            b'o' | b'x' | b'X' | b'u' => out.extend(s.unsigned((v.num().trunc() as i64).cast_unsigned(), k)),
            b'c' => {
                let t = match &v {
                    V::Num(n) => vec![(*n as i64 & 255) as u8],
                    v => v.text().into_iter().take(1).collect(),
                };
                out.extend(s.pad(&t));
            }
            b's' => {
                let mut t = v.text();
                if let Some(p) = s.precision {
                    t.truncate(p);
                }
                out.extend(s.pad(&t));
            }
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => out.extend(s.float(v.num(), k)),
            k => out.extend_from_slice(&[b'%', k]),
        }
        if out.len() > 4 << 20 {
            break;
        }
    }
    out
}

/// What one step gives back to the waiting part.
struct Step {
    out: Vec<u8>,
    stop: bool,
}

/// `awk`.
pub(crate) async fn awk(p: &mut Proc) -> i32 {
    let mut args: Vec<Vec<u8>> = p.args.iter().skip(1).cloned().collect();
    let mut fs: Option<Vec<u8>> = None;
    let mut assigns: Vec<Vec<u8>> = Vec::new();
    let mut program: Option<Vec<u8>> = None;
    while let Some(a) = args.first().cloned() {
        if a == b"--" {
            args.remove(0);
            break;
        }
        if a == b"--version" || a == b"-W" {
            p.out("mawk 1.3.4 20200120\nCopyright 2008-2019,2020, Thomas E. Dickey\nCopyright 1991-1996,2014, Michael D. Brennan\n\nrandom-funcs:       srandom/random\nregex-funcs:        internal\ncompiled limits:\nsprintf buffer      8192\nmaximum-integer     2147483647\n");
            return 0;
        }
        let [b'-', f, rest @ ..] = a.as_slice() else { break };
        let (f, rest) = (*f, rest.to_vec());
        args.remove(0);
        let value = if !matches!(f, b'F' | b'v' | b'f') {
            p.err(format!("awk: not an option: {}\n", text(&a))).await;
            return 2;
        } else if rest.is_empty() && !args.is_empty() {
            args.remove(0)
        } else {
            rest
        };
        match f {
            b'F' => {
                fs = Some(if value == b"t" {
                    b"\t".to_vec()
                } else {
                    crate::shell::syntax::unescape(&value, crate::shell::syntax::Escapes::Ansi).0
                })
            }
            b'v' => assigns.push(value),
            _ => match p.slurp(&value).await {
                Ok(b) => program = Some([program.unwrap_or_default(), b.to_vec(), b"\n".to_vec()].concat()),
                Err(_) => {
                    p.err(format!("awk: cannot open \"{}\" (No such file or directory)\n", text(&value))).await;
                    return 2;
                }
            },
        }
    }
    let source = match program {
        Some(s) => s,
        None => {
            if args.is_empty() {
                p.err("Usage: mawk [Options] [Program] [file ...]\n\nProgram:\n    The -f option value is the name of a file containing program text.\n    If no -f option is given, a \"--\" ends option processing; the following\n    parameters are the program text.\n\nOptions:\n    -f program-file  Program  text is read from file instead of from the\n                     command-line.  Multiple -f options are accepted.\n    -F value         sets the field separator, FS, to value.\n    -v var=value     assigns value to program variable var.\n    --               unambiguous end of options.\n\n").await;
                return 2;
            }
            args.remove(0)
        }
    };
    let parsed = lex(&source).and_then(|toks| {
        let mut parser = P { toks, at: 0, depth: 0, no_in: false, no_gt: false };
        parser.program()
    });
    let (rules, funs) = match parsed {
        Ok(x) => x,
        Err(e) => {
            p.err(format!("awk: line 1: {e}\n")).await;
            return 2;
        }
    };
    // The machine is not `Send`; it lives between waits only inside `drive`.
    let mut state = State::new(p, fs, assigns, &args);
    let mut ranges = vec![false; rules.len()];
    let begin = drive(&mut state, &funs, |m| {
        for (pat, body) in &rules {
            if let (Pattern::Begin, Some(b)) = (pat, body)
                && matches!(m.run(b), Flow::Exit)
            {
                return true;
            }
        }
        false
    });
    p.out(begin.out);
    if p.maybe_flush().await.is_err() {
        return 141;
    }
    let mut stop = begin.stop;
    let wants_input = rules.iter().any(|(p, _)| !matches!(p, Pattern::Begin));
    if !stop && wants_input {
        let mut files: Vec<Vec<u8>> = Vec::new();
        let mut queue: Vec<Vec<u8>> = args.clone();
        queue.reverse();
        let mut read_any = false;
        let mut nr = 0u64;
        'files: loop {
            let file = match queue.pop() {
                Some(a) => {
                    if let Some(at) = a.iter().position(|b| *b == b'=')
                        && a.get(..at).unwrap_or_default().iter().all(|c| c.is_ascii_alphanumeric() || *c == b'_')
                        && at > 0
                    {
                        state.assign(&a);
                        continue;
                    }
                    a
                }
                None if !read_any => b"-".to_vec(),
                None => break,
            };
            read_any = true;
            files.push(file.clone());
            if file != b"-"
                && let Err(e) = p.reopen(&file)
            {
                p.err(format!("awk: cannot open \"{}\" ({e})\n", text(&file))).await;
                state.status = 2;
                break;
            }
            let mut fnr = 0u64;
            let mut paid = 0;
            while let Some(mut line) = p.line().await {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                nr += 1;
                fnr += 1;
                paid += 1;
                if paid >= 32 {
                    paid = 0;
                    p.k.pay(24).await;
                }
                let ranges = &mut ranges;
                let rules = &rules;
                let step = drive(&mut state, &funs, |m| {
                    m.record = line;
                    m.split = false;
                    m.rebuilt = false;
                    m.vars.insert("NR".into(), V::Num(nr as f64));
                    m.vars.insert("FNR".into(), V::Num(fnr as f64));
                    m.vars.insert("FILENAME".into(), V::str(&file));
                    for (n, (pat, body)) in rules.iter().enumerate() {
                        let hit = match pat {
                            Pattern::Begin | Pattern::End => false,
                            Pattern::Always => true,
                            Pattern::One(e) => m.eval(e).truth(),
                            Pattern::Range(a, b) => {
                                let on = ranges.get(n).copied().unwrap_or(false);
                                if on || m.eval(a).truth() {
                                    let ends = m.eval(b).truth();
                                    if let Some(r) = ranges.get_mut(n) {
                                        *r = !ends;
                                    }
                                    true
                                } else {
                                    false
                                }
                            }
                        };
                        if !hit {
                            continue;
                        }
                        match body {
                            Some(b) => match m.run(b) {
                                Flow::Next => break,
                                Flow::Exit => return true,
                                _ => {}
                            },
                            None => {
                                let mut t = m.field(0).text();
                                t.extend(m.get("ORS").text());
                                m.emit(t, None);
                            }
                        }
                    }
                    false
                });
                p.out(step.out);
                if p.maybe_flush().await.is_err() {
                    return 141;
                }
                if step.stop {
                    stop = true;
                    break 'files;
                }
            }
        }
        let _ = files;
    }
    let _ = stop;
    if state.error.is_none() {
        let end = drive(&mut state, &funs, |m| {
            for (pat, body) in &rules {
                if let (Pattern::End, Some(b)) = (pat, body)
                    && matches!(m.run(b), Flow::Exit)
                {
                    return true;
                }
            }
            false
        });
        p.out(end.out);
    }
    for (how, name, bytes) in std::mem::take(&mut state.to) {
        match how {
            b'|' | b's' => {
                if p.flush().await.is_err() {
                    return 141;
                }
                let mut child = p.child(vec![b"sh".to_vec(), b"-c".to_vec(), name.clone()]);
                if how == b'|' {
                    let (read, write) = crate::shell::kernel::pipe(&p.k);
                    child.fds.insert(0, crate::shell::proc::Fd::Read(read));
                    p.k.spawn(Box::pin(async move {
                        write.write(&bytes).await;
                    }));
                }
                super::find::program(&mut child, vec![b"sh".to_vec(), b"-c".to_vec(), name], "awk").await;
            }
            how => {
                if name == b"/dev/stderr" {
                    p.err(&bytes).await;
                    continue;
                }
                let path = p.path(&name);
                let how = if how == b'a' { WriteMode::Append } else { WriteMode::Truncate };
                if let Err(e) = p.fs().write(&p.who, &path, &bytes, how, 0o666 & !p.umask, p.k.now()) {
                    p.err(format!("awk: cannot open \"{}\" ({e})\n", text(&name))).await;
                    return 2;
                }
                p.k.dirty(&path);
            }
        }
    }
    if let Some(e) = state.error {
        let _ = p.flush().await;
        p.err(format!("awk: {e}\n")).await;
        return 2;
    }
    state.status
}

/// What of the machine outlives a step; all of it may cross a wait.
struct State {
    vars: BTreeMap<String, V>,
    arrays: BTreeMap<String, Array>,
    record: Vec<u8>,
    to: Vec<(u8, Vec<u8>, Vec<u8>)>,
    status: i32,
    seed: u32,
    last_seed: f64,
    bytes: usize,
    error: Option<String>,
    temp: u32,
}

impl State {
    fn new(p: &Proc, fs: Option<Vec<u8>>, assigns: Vec<Vec<u8>>, args: &[Vec<u8>]) -> Self {
        let mut vars = BTreeMap::new();
        vars.insert("FS".to_owned(), V::str(fs.unwrap_or_else(|| b" ".to_vec())));
        for (n, v) in [("OFS", " "), ("ORS", "\n"), ("RS", "\n"), ("OFMT", "%.6g"), ("CONVFMT", "%.6g"), ("SUBSEP", "\x1c")] {
            vars.insert(n.to_owned(), V::str(v));
        }
        vars.insert("NR".to_owned(), V::Num(0.0));
        vars.insert("ARGC".to_owned(), V::Num(args.len() as f64 + 1.0));
        let mut arrays: BTreeMap<String, Array> = BTreeMap::new();
        arrays.insert("ENVIRON".into(), p.env.iter().map(|(n, v)| (n.clone(), V::Maybe(v.clone().into()))).collect());
        arrays.insert(
            "ARGV".into(),
            std::iter::once(b"awk".to_vec())
                .chain(args.iter().cloned())
                .enumerate()
                .map(|(n, a)| (n.to_string().into_bytes(), V::Maybe(a.into())))
                .collect(),
        );
        let mut s = Self {
            vars,
            arrays,
            record: Vec::new(),
            to: Vec::new(),
            status: 0,
            seed: p.k.random_u32(),
            last_seed: 0.0,
            bytes: 0,
            error: None,
            temp: 0,
        };
        for a in assigns {
            s.assign(&a);
        }
        s
    }

    fn assign(&mut self, a: &[u8]) {
        if let Some(at) = a.iter().position(|b| *b == b'=') {
            let v = crate::shell::syntax::unescape(a.get(at + 1..).unwrap_or_default(), crate::shell::syntax::Escapes::Ansi).0;
            self.vars.insert(text(a.get(..at).unwrap_or_default()), V::Maybe(v.into()));
        }
    }
}

/// Runs one step of the program.
fn drive(s: &mut State, funs: &BTreeMap<String, Fun>, step: impl FnOnce(&mut M<'_>) -> bool) -> Step {
    let mut m = M {
        vars: std::mem::take(&mut s.vars),
        arrays: std::mem::take(&mut s.arrays),
        frames: Vec::new(),
        funs,
        record: std::mem::take(&mut s.record),
        fields: Vec::new(),
        split: false,
        rebuilt: false,
        out: Vec::new(),
        to: std::mem::take(&mut s.to),
        fuel: 3_000_000,
        status: s.status,
        seed: s.seed,
        last_seed: s.last_seed,
        cache: BTreeMap::new(),
        bytes: s.bytes,
        error: s.error.take(),
        temp: s.temp,
    };
    let stop = step(&mut m) || m.fuel == 0;
    m.field(0);
    let out = std::mem::take(&mut m.out);
    *s = State {
        vars: m.vars,
        arrays: m.arrays,
        record: m.record,
        to: m.to,
        status: m.status,
        seed: m.seed,
        last_seed: m.last_seed,
        bytes: m.bytes,
        error: m.error,
        temp: m.temp,
    };
    Step { out, stop }
}
