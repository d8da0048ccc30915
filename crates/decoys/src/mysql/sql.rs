//! Cuts statements into words and reads expressions.

/// A word of a statement and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    /// In backticks.
    Name(String),
    Text(Vec<u8>),
    Number(String),
    Hex(Vec<u8>),
    /// `@@x`, `@x`.
    Variable(String),
    Param,
    Sign(&'static str),
}

/// The statement is wrong from this byte on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) usize);

const SIGNS: [&str; 25] = [
    "<=>", "<=", ">=", "<>", "!=", "||", "&&", ":=", "<<", ">>", "(", ")", ",", ";", "=", "<", ">", "+", "-", "*", "/", "%", ".", "!", "&",
];

/// All words of a statement, at most 100 000.
pub(super) fn tokens(sql: &[u8]) -> Result<Vec<(Token, usize)>, Wrong> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&b) = sql.get(at) {
        let rest = sql.get(at..).unwrap_or_default();
        if out.len() > 100_000 {
            return Err(Wrong(at));
        }
        if b.is_ascii_whitespace() {
            at += 1;
        } else if b == b'#' || rest.starts_with(b"-- ") || rest.starts_with(b"--\n") || rest == b"--" {
            at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        } else if rest.starts_with(b"/*!") {
            // A conditional comment counts as text.
            at += 3 + rest.get(3..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
        } else if rest.starts_with(b"*/") {
            at += 2;
        } else if rest.starts_with(b"/*") {
            at += rest.windows(2).skip(2).position(|w| w == b"*/").map_or(rest.len(), |n| n + 4);
        } else if b == b'\'' || b == b'"' {
            let (text, n) = quoted(rest).ok_or(Wrong(at))?;
            out.push((Token::Text(text), at));
            at += n;
        } else if b == b'`' {
            let end = rest.iter().skip(1).position(|&b| b == b'`').ok_or(Wrong(at))?;
            out.push((Token::Name(String::from_utf8_lossy(rest.get(1..end + 1).unwrap_or_default()).into_owned()), at));
            at += end + 2;
        } else if rest.len() > 2 && (rest.starts_with(b"0x") || rest.starts_with(b"0X")) && rest.get(2).is_some_and(u8::is_ascii_hexdigit) {
            let n = rest.iter().skip(2).take_while(|b| b.is_ascii_hexdigit()).count();
            let digits = String::from_utf8_lossy(rest.get(2..n + 2).unwrap_or_default()).into_owned();
            let even = if n % 2 == 1 { format!("0{digits}") } else { digits };
            out.push((Token::Hex(hex::decode(even).unwrap_or_default()), at));
            at += n + 2;
        } else if b.is_ascii_digit() || b == b'.' && rest.get(1).is_some_and(u8::is_ascii_digit) {
            let n = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
            let word = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            if word > n && !rest.get(n).is_some_and(|b| matches!(b, b'e' | b'E')) {
                out.push((Token::Word(String::from_utf8_lossy(rest.get(..word).unwrap_or_default()).into_owned()), at));
                at += word;
            } else {
                out.push((Token::Number(String::from_utf8_lossy(rest.get(..n).unwrap_or_default()).into_owned()), at));
                at += n;
            }
        } else if b.is_ascii_alphabetic() || b == b'_' || b == b'$' || b >= 0x80 {
            let n = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'$' | 0x80..)).count();
            out.push((Token::Word(String::from_utf8_lossy(rest.get(..n).unwrap_or_default()).into_owned()), at));
            at += n;
        } else if b == b'@' {
            let n = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(**b, b'@' | b'_' | b'.' | b'$')).count();
            out.push((Token::Variable(String::from_utf8_lossy(rest.get(..n).unwrap_or_default()).into_owned()), at));
            at += n;
        } else if b == b'?' {
            out.push((Token::Param, at));
            at += 1;
        } else {
            let sign = SIGNS.iter().find(|s| rest.starts_with(s.as_bytes())).ok_or(Wrong(at))?;
            out.push((Token::Sign(sign), at));
            at += sign.len();
        }
    }
    Ok(out)
}

fn quoted(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let quote = *rest.first()?;
    let mut text = Vec::new();
    let mut at = 1;
    loop {
        let b = *rest.get(at)?;
        at += 1;
        match b {
            b'\\' => {
                let e = *rest.get(at)?;
                at += 1;
                match e {
                    b'n' => text.push(b'\n'),
                    b'r' => text.push(b'\r'),
                    b't' => text.push(b'\t'),
                    b'0' => text.push(0),
                    b'Z' => text.push(26),
                    b'b' => text.push(8),
                    b'%' | b'_' => text.extend([b'\\', e]),
                    e => text.push(e),
                }
            }
            b if b == quote && rest.get(at) == Some(&quote) => {
                text.push(quote);
                at += 1;
            }
            b if b == quote => return Some((text, at)),
            b => text.push(b),
        }
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Null,
    Int(i64),
    Dec(String),
    Text(Vec<u8>),
    Hex(Vec<u8>),
    Variable(String),
    /// Table (or alias) and column.
    Column(Option<String>, String),
    Star(Option<String>),
    Call(String, Vec<Self>),
    Not(Box<Self>),
    Minus(Box<Self>),
    Two(&'static str, Box<Self>, Box<Self>),
    In(Box<Self>, Vec<Self>, bool),
    Between(Box<Self>, Box<Self>, Box<Self>),
    Param(usize),
}

/// Reads statements from words.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    pub(super) sql: &'a [u8],
    pub(super) tokens: Vec<(Token, usize)>,
    pub(super) at: usize,
    pub(super) params: usize,
    depth: usize,
}

type Read<T> = Result<T, Wrong>;

impl<'a> Parser<'a> {
    pub(super) fn new(sql: &'a [u8]) -> Read<Self> {
        Ok(Self { sql, tokens: tokens(sql)?, at: 0, params: 0, depth: 0 })
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(t, _)| t)
    }

    /// Byte where the next word begins.
    pub(super) fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.sql.len(), |(_, p)| *p)
    }

    pub(super) fn wrong<T>(&self) -> Read<T> {
        Err(Wrong(self.place()))
    }

    /// Whether the next word is `word`; it stays.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        let hit = self.is(word);
        self.at += usize::from(hit);
        hit
    }

    pub(super) fn words(&mut self, list: &[&str]) -> bool {
        let start = self.at;
        let all = list.iter().all(|w| self.word(w));
        if !all {
            self.at = start;
        }
        all
    }

    pub(super) fn sign(&mut self, sign: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(hit);
        hit
    }

    pub(super) fn need(&mut self, sign: &str) -> Read<()> {
        if self.sign(sign) { Ok(()) } else { self.wrong() }
    }

    pub(super) fn end(&mut self) -> Read<()> {
        while self.sign(";") {}
        if self.at >= self.tokens.len() { Ok(()) } else { self.wrong() }
    }

    pub(super) fn name(&mut self) -> Read<String> {
        match self.peek() {
            Some(Token::Word(w) | Token::Name(w)) => {
                let w = w.clone();
                self.at += 1;
                Ok(w)
            }
            _ => self.wrong(),
        }
    }

    /// `db.table` or `table`.
    pub(super) fn table(&mut self) -> Read<(Option<String>, String)> {
        let first = self.name()?;
        if self.sign(".") { Ok((Some(first), self.name()?)) } else { Ok((None, first)) }
    }

    pub(super) fn text(&mut self) -> Read<Vec<u8>> {
        match self.peek() {
            Some(Token::Text(t)) => {
                let t = t.clone();
                self.at += 1;
                Ok(t)
            }
            _ => self.wrong(),
        }
    }

    pub(super) fn number(&mut self) -> Read<u64> {
        match self.peek() {
            Some(Token::Number(n)) => {
                let n = n.parse().unwrap_or(u64::MAX);
                self.at += 1;
                Ok(n)
            }
            _ => self.wrong(),
        }
    }

    pub(super) fn expr(&mut self) -> Read<Expr> {
        self.depth += 1;
        if self.depth > 60 {
            return self.wrong();
        }
        let mut left = self.and()?;
        while self.word("or") || self.sign("||") {
            left = Expr::Two("or", Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Read<Expr> {
        let mut left = self.not()?;
        while self.word("and") || self.sign("&&") {
            left = Expr::Two("and", Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Read<Expr> {
        let mut turns = 0;
        while self.word("not") || self.sign("!") {
            turns += 1;
        }
        let inner = self.comparison()?;
        Ok(if turns % 2 == 1 { Expr::Not(Box::new(inner)) } else { inner })
    }

    fn comparison(&mut self) -> Read<Expr> {
        let mut left = self.sum()?;
        loop {
            let not = self.word("not");
            if self.word("in") {
                self.need("(")?;
                let mut list = Vec::new();
                loop {
                    list.push(self.expr()?);
                    if !self.sign(",") {
                        break;
                    }
                }
                self.need(")")?;
                left = Expr::In(Box::new(left), list, not);
            } else if self.word("between") {
                let low = self.sum()?;
                if !self.word("and") {
                    return self.wrong();
                }
                let high = self.sum()?;
                let inner = Expr::Between(Box::new(left), Box::new(low), Box::new(high));
                left = if not { Expr::Not(Box::new(inner)) } else { inner };
            } else if let Some(sign) = ["like", "rlike", "regexp"].into_iter().find(|w| self.word(w)) {
                let right = self.sum()?;
                let inner = Expr::Two(sign, Box::new(left), Box::new(right));
                left = if not { Expr::Not(Box::new(inner)) } else { inner };
            } else if not {
                return self.wrong();
            } else if self.word("is") {
                let not = self.word("not");
                let inner = match self.peek() {
                    Some(Token::Word(w)) if w.eq_ignore_ascii_case("null") => Expr::Two("is", Box::new(left), Box::new(Expr::Null)),
                    Some(Token::Word(w)) if w.eq_ignore_ascii_case("true") => Expr::Not(Box::new(Expr::Not(Box::new(left)))),
                    Some(Token::Word(w)) if w.eq_ignore_ascii_case("false") => Expr::Not(Box::new(left)),
                    _ => return self.wrong(),
                };
                self.at += 1;
                left = if not { Expr::Not(Box::new(inner)) } else { inner };
            } else if let Some(sign) = ["<=>", "<=", ">=", "<>", "!=", "=", "<", ">"].into_iter().find(|s| self.sign(s)) {
                left = Expr::Two(sign, Box::new(left), Box::new(self.sum()?));
            } else {
                return Ok(left);
            }
        }
    }

    fn sum(&mut self) -> Read<Expr> {
        let mut left = self.product()?;
        while let Some(sign) = ["+", "-"].into_iter().find(|s| self.sign(s)) {
            left = Expr::Two(sign, Box::new(left), Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Read<Expr> {
        let mut left = self.term()?;
        loop {
            let sign = if self.sign("*") {
                "*"
            } else if self.sign("/") {
                "/"
            } else if self.sign("%") || self.word("mod") {
                "%"
            } else if self.word("div") {
                "div"
            } else {
                return Ok(left);
            };
            left = Expr::Two(sign, Box::new(left), Box::new(self.term()?));
        }
    }

    fn term(&mut self) -> Read<Expr> {
        self.depth += 1;
        if self.depth > 60 {
            return self.wrong();
        }
        let found = self.term_inside();
        self.depth -= 1;
        found
    }

    fn term_inside(&mut self) -> Read<Expr> {
        if self.sign("-") {
            return Ok(Expr::Minus(Box::new(self.term()?)));
        }
        if self.sign("+") {
            return self.term();
        }
        if self.sign("(") {
            let inner = self.expr()?;
            self.need(")")?;
            return Ok(inner);
        }
        if self.sign("*") {
            return Ok(Expr::Star(None));
        }
        let Some(token) = self.peek().cloned() else { return self.wrong() };
        self.at += 1;
        Ok(match token {
            Token::Text(mut t) => {
                // Adjacent strings are one.
                while let Some(Token::Text(more)) = self.peek() {
                    t.extend_from_slice(more);
                    self.at += 1;
                }
                Expr::Text(t)
            }
            Token::Hex(h) => Expr::Hex(h),
            Token::Number(n) => n.parse().map_or(Expr::Dec(n), Expr::Int),
            Token::Variable(v) => Expr::Variable(v),
            Token::Param => {
                self.params += 1;
                Expr::Param(self.params - 1)
            }
            Token::Word(w) if w.eq_ignore_ascii_case("null") => Expr::Null,
            Token::Word(w) if w.eq_ignore_ascii_case("true") => Expr::Int(1),
            Token::Word(w) if w.eq_ignore_ascii_case("false") => Expr::Int(0),
            Token::Word(w) if w.eq_ignore_ascii_case("binary") => return self.term(),
            Token::Word(w) if RESERVED.iter().any(|r| w.eq_ignore_ascii_case(r)) => {
                self.at -= 1;
                return self.wrong();
            }
            Token::Word(w) if self.sign("(") => {
                let mut args = Vec::new();
                self.word("distinct");
                if !self.sign(")") {
                    loop {
                        args.push(self.expr()?);
                        if self.word("as") || self.word("using") {
                            self.at += 1;
                        }
                        if !self.sign(",") {
                            break;
                        }
                    }
                    self.need(")")?;
                }
                Expr::Call(w.to_ascii_lowercase(), args)
            }
            Token::Word(w)
                if matches!(w.to_ascii_lowercase().as_str(), "current_user" | "current_timestamp" | "current_date" | "current_time") =>
            {
                Expr::Call(w.to_ascii_lowercase(), Vec::new())
            }
            Token::Word(w) | Token::Name(w) => {
                if self.sign(".") {
                    if self.sign("*") {
                        return Ok(Expr::Star(Some(w)));
                    }
                    let second = self.name()?;
                    if self.sign(".") {
                        return Ok(Expr::Column(Some(second), self.name()?));
                    }
                    return Ok(Expr::Column(Some(w), second));
                }
                Expr::Column(None, w)
            }
            Token::Sign(_) => {
                self.at -= 1;
                return self.wrong();
            }
        })
    }
}

/// Words that cannot begin a term.
pub(super) const RESERVED: [&str; 20] = [
    "select", "from", "where", "order", "limit", "group", "having", "union", "into", "join", "left", "right", "inner", "on", "and", "or",
    "as", "set", "values", "by",
];
