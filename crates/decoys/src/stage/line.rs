//! A visitor's connection: TCP, with or without TLS on top. Holds no buffer while nothing is going on.

use bytes::BytesMut;
use nix::sys::socket::{MsgFlags, recv};
use openssl::ssl::{Ssl, SslContext};
use std::{cell::RefCell, io, os::fd::AsRawFd, time::Duration};
use tokio::{io::Interest, net::TcpStream};

use super::tls::{Pipe, hello_length};

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// This many bytes were added to the input.
    Some(usize),
    /// Nothing yet.
    None,
    /// The visitor closed its sending half.
    End,
}

/// The connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    tls: Option<Box<Pipe>>,
    /// Bytes on the wire, TLS included.
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// Bytes read at a time; one buffer per thread.
const CHUNK: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

impl Line {
    /// Speaks over `stream`.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, tls: None, bytes_in: 0, bytes_out: 0 }
    }

    /// Reads what is there without waiting and without asking the reactor first: for a connection so new that the
    /// reactor knows nothing about it.
    pub(super) fn read_at_once(&mut self, input: &mut BytesMut) -> io::Result<Read> {
        SCRATCH.with_borrow_mut(|scratch| match recv(self.stream.as_raw_fd(), scratch, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Ok(Read::End),
            Ok(n) => {
                self.bytes_in += n as u64;
                input.extend_from_slice(scratch.get(..n).unwrap_or_default());
                Ok(Read::Some(n))
            }
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => Ok(Read::None),
            Err(e) => Err(e.into()),
        })
    }

    /// Waits until [`Line::read`] may bring something. Cancel-safe.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Adds what is there to `input`, deciphered, at most about 64 KiB.
    pub(super) async fn read(&mut self, input: &mut BytesMut) -> io::Result<Read> {
        match &mut self.tls {
            None => read_plain(&self.stream, input, &mut self.bytes_in),
            Some(pipe) => {
                let mut cipher = BytesMut::new();
                let read = read_plain(&self.stream, &mut cipher, &mut self.bytes_in)?;
                pipe.feed(&cipher);
                let before = input.len();
                let ended = pipe.decipher(input);
                let reply = pipe.take();
                self.write_raw(&reply).await?;
                match (ended?, input.len() - before) {
                    (_, n) if n > 0 => Ok(Read::Some(n)),
                    (true, _) => Ok(Read::End),
                    (false, _) if read == Read::End => Ok(Read::End),
                    (false, _) => Ok(Read::None),
                }
            }
        }
    }

    /// Sends all of `bytes`, waiting as long as it takes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.tls.is_none() {
            return self.write_raw(bytes).await;
        }
        // In parts, so that the cipher text never doubles a large answer.
        for part in bytes.chunks(CHUNK) {
            let Some(pipe) = &mut self.tls else { break };
            pipe.encipher(part)?;
            let cipher = pipe.take();
            self.write_raw(&cipher).await?;
        }
        Ok(())
    }

    /// Sends one byte out of band, if there is room and no TLS: nothing waits for it.
    pub(super) fn urgent(&mut self, byte: u8) {
        use nix::sys::socket::{MsgFlags, send};
        use std::os::fd::AsRawFd;
        let flags = MsgFlags::MSG_OOB | MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        if self.tls.is_none() && send(self.stream.as_raw_fd(), &[byte], flags).is_ok() {
            self.bytes_out += 1;
        }
    }

    /// Reads the client's first TLS message as it stands on the wire. `Ok(None)`: it ended before that.
    /// `Ok(Some(bytes))` may be no TLS at all; at most 64 KiB.
    pub(super) async fn first_words(&mut self) -> io::Result<Option<BytesMut>> {
        let mut raw = BytesMut::new();
        loop {
            match read_plain(&self.stream, &mut raw, &mut self.bytes_in)? {
                Read::End if raw.is_empty() => return Ok(None),
                Read::End => return Ok(Some(raw)),
                Read::None => self.stream.readable().await?,
                Read::Some(_) => match hello_length(&raw) {
                    Some(length) if length > raw.len() && raw.len() < CHUNK => {}
                    _ => return Ok(Some(raw)),
                },
            }
        }
    }

    /// Does the TLS handshake; `first` is what [`Line::first_words`] read.
    pub(super) async fn handshake(&mut self, context: &SslContext, first: &[u8]) -> io::Result<()> {
        let mut pipe = Pipe::new(Ssl::new(context).map_err(io::Error::other)?)?;
        pipe.feed(first);
        loop {
            let done = pipe.accept();
            let reply = pipe.take();
            self.write_raw(&reply).await?;
            if done? {
                break;
            }
            self.stream.readable().await?;
            let mut raw = BytesMut::new();
            match read_plain(&self.stream, &mut raw, &mut self.bytes_in)? {
                Read::End => return Err(io::ErrorKind::UnexpectedEof.into()),
                Read::None => {}
                Read::Some(_) => pipe.feed(&raw),
            }
        }
        self.tls = Some(Box::new(pipe));
        Ok(())
    }

    /// Says goodbye and lets the visitor have everything that was sent: what arrived meanwhile is read, or the
    /// kernel would answer it with a reset that overtakes our last words.
    pub(super) async fn finish(&mut self) {
        if let Some(pipe) = &mut self.tls {
            pipe.close();
            let last = pipe.take();
            _ = tokio::time::timeout(Duration::from_secs(5), self.write_raw(&last)).await;
        }
        let mut rest = BytesMut::new();
        for _ in 0..64 {
            rest.clear();
            match read_plain(&self.stream, &mut rest, &mut self.bytes_in) {
                Ok(Read::Some(_)) => {}
                _ => break,
            }
        }
    }

    async fn write_raw(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.bytes_out += n as u64;
                    bytes = bytes.get(n..).unwrap_or_default();
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Adds what is there to `input`, without waiting.
pub(super) fn read_plain(stream: &TcpStream, input: &mut BytesMut, count: &mut u64) -> io::Result<Read> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut read = None;
        let tried = stream.try_io(Interest::READABLE, || {
            let n = recv(stream.as_raw_fd(), scratch, MsgFlags::MSG_DONTWAIT)?;
            read = Some(n);
            // Less than there was room for: all is taken. The reactor hears so now and not from a second, empty read.
            if n > 0 && n < CHUNK { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (read, tried) {
            (Some(0), _) => Ok(Read::End),
            (Some(n), _) => {
                *count += n as u64;
                input.extend_from_slice(scratch.get(..n).unwrap_or_default());
                Ok(Read::Some(n))
            }
            (None, Err(e)) if !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Err(e),
            (None, _) => Ok(Read::None),
        }
    })
}
