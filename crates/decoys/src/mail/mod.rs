//! The mailboxes of a decky: what lies in them, what an attacker did to them, and how messages are taken apart.
//! IMAP and POP3 read the same boxes; mail that the SMTP decoy took for an account appears in its INBOX.
//!
//! A box begins with what the machine's people wrote (see [`post`]): the files delivered for the decky, or else mail
//! made up from its seed. Everything an attacker changes is kept in that attacker's memory of the decky, so it is
//! found again, on both protocols, and nobody else sees it.

pub(crate) mod boxes;
pub(crate) mod login;
pub(crate) mod message;
pub mod post;

pub use post::Post;
