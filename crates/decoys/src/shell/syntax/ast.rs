//! The tree of a script.

use std::sync::{Arc, OnceLock};

/// Commands in sequence.
pub(crate) type List = Vec<Arc<Item>>;

/// One and-or list, maybe in the background.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) first: Pipe,
    /// `true` = `&&`, `false` = `||`.
    pub(crate) rest: Vec<(bool, Pipe)>,
    pub(crate) background: bool,
    /// As it was written, for `jobs`.
    pub(crate) text: Arc<[u8]>,
}

/// Commands joined by `|`.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) bang: bool,
    pub(crate) timed: bool,
    /// `time -p`.
    pub(crate) portable: bool,
    pub(crate) parts: Vec<Cmd>,
}

/// One command.
#[derive(Debug)]
pub(crate) enum Cmd {
    Simple(Simple),
    Compound(Box<Compound>, Vec<Redir>, u32),
    Function(Vec<u8>, Arc<Function>),
}

/// A function's body and the text it was written in.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) body: Cmd,
    pub(crate) text: Vec<u8>,
}

/// Assignments, words and redirections.
#[derive(Debug, Default)]
pub(crate) struct Simple {
    pub(crate) line: u32,
    pub(crate) assigns: Vec<Assign>,
    pub(crate) words: Vec<Word>,
    pub(crate) redirs: Vec<Redir>,
}

/// `name[index]+=value`.
#[derive(Debug)]
pub(crate) struct Assign {
    pub(crate) name: Vec<u8>,
    pub(crate) index: Option<Word>,
    pub(crate) append: bool,
    pub(crate) value: Value,
}

/// Right side of an assignment.
#[derive(Debug)]
pub(crate) enum Value {
    One(Word),
    Many(Vec<(Option<Word>, Word)>),
}

/// Compound commands.
#[derive(Debug)]
pub(crate) enum Compound {
    Group(List),
    Sub(Arc<List>),
    If(Vec<(List, List)>, Option<List>),
    For(Vec<u8>, Option<Vec<Word>>, List),
    ForArith(Word, Word, Word, List),
    While(bool, List, List),
    Case(Word, Vec<Arm>),
    Cond(Test),
    Arith(Word),
}

/// One arm of `case`.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) patterns: Vec<Word>,
    pub(crate) body: List,
    pub(crate) end: ArmEnd,
}

/// How an arm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArmEnd {
    Break,
    Fall,
    Next,
}

/// `[[ … ]]`.
#[derive(Debug)]
pub(crate) enum Test {
    Or(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Unary(u8, Word),
    Binary(Vec<u8>, Word, Word),
    Word(Word),
}

/// Parts side by side.
pub(crate) type Word = Vec<Part>;

/// A part of a word.
#[derive(Debug)]
pub(crate) enum Part {
    /// Unquoted text: patterns, braces and tildes mean something in it.
    Lit(Vec<u8>),
    Quoted(Vec<u8>),
    Double(Word),
    Param(Box<Param>),
    Cmd(Arc<List>),
    Arith(Word),
    /// `<( )` if true, `>( )` else.
    Proc(bool, Arc<List>),
    /// `declare a=(…)`: the array, for the builtin.
    Array(Arc<Assign>),
}

/// `${ … }`.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: Vec<u8>,
    pub(crate) index: Option<Index>,
    pub(crate) indirect: bool,
    pub(crate) op: Op,
}

/// `[…]` after a name.
#[derive(Debug)]
pub(crate) enum Index {
    At,
    Star,
    Word(Word),
}

/// What `${ … }` does with the value.
#[derive(Debug)]
pub(crate) enum Op {
    None,
    Length,
    /// `${!name[@]}`.
    Keys,
    /// `${!prefix*}`.
    Names,
    /// Operator `- = ? +`, whether a colon precedes it, and the word.
    Or(u8, bool, Word),
    /// Prefix if true; longest if true.
    Trim(bool, bool, Word),
    /// `/` first, `A` all, `#` prefix, `%` suffix.
    Replace(u8, Word, Option<Word>),
    Slice(Word, Option<Word>),
    /// Upper if true; all if true.
    Case(bool, bool, Word),
    Transform(u8),
    /// Text bash calls a bad substitution.
    Bad(Vec<u8>),
}

/// A redirection.
#[derive(Debug)]
pub(crate) struct Redir {
    pub(crate) fd: Option<u32>,
    pub(crate) op: RedirOp,
    pub(crate) target: Word,
    /// Body of a here-document.
    pub(crate) here: Option<Arc<OnceLock<Word>>>,
}

/// Kinds of redirection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedirOp {
    In,
    Out,
    Clobber,
    Append,
    ReadWrite,
    DupIn,
    DupOut,
    /// `&>`
    Both,
    /// `&>>`
    BothAppend,
    /// `<<`: the word is the body.
    Here,
    /// `<<<`
    HereString,
}
