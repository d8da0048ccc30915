//! The language: text to tree. Knows nothing of files, variables or time; cannot fail other than by saying
//! what is wrong where, or that more text is needed.

mod ast;
mod parser;
mod word;

pub(crate) use ast::*;
pub(crate) use parser::{Flaw, Parser};
pub(crate) use word::{Escapes, is_name, is_name_start, unescape};
