//! The terminal while somebody logs in: Linux's line discipline in canonical mode.

use std::collections::VecDeque;

/// Longest line kept, as the kernel has it; what is typed beyond is lost.
const LONGEST: usize = 4095;
/// Most lines that wait to be read.
const MOST_LINES: usize = 256;

/// A line as a program reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Without the line feed.
    pub(super) text: Vec<u8>,
    /// A line feed ended it, not the end of file or the reader's buffer.
    pub(super) whole: bool,
}

/// The terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    /// What is typed is shown.
    pub(super) echo: bool,
    /// The eighth bit of what is typed is dropped.
    pub(super) strip: bool,
    /// Tabs are printed as spaces.
    pub(super) expand: bool,
    line: Vec<u8>,
    lines: VecDeque<Line>,
    /// The next byte is taken as it is.
    literal: bool,
    column: usize,
    /// Column at which the line being typed began.
    start: usize,
    out: Vec<u8>,
}

impl Terminal {
    pub(super) fn new(expand: bool) -> Self {
        Self {
            echo: true,
            strip: false,
            expand,
            line: Vec::new(),
            lines: VecDeque::new(),
            literal: false,
            column: 0,
            start: 0,
            out: Vec::new(),
        }
    }

    /// A program prints.
    pub(super) fn print(&mut self, text: &[u8]) {
        for &b in text {
            self.put(b);
        }
        if self.line.is_empty() {
            self.start = self.column;
        }
    }

    /// Takes what was printed and echoed, with line ends as they leave the terminal.
    pub(super) fn shown(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Forgets what was typed and not read.
    pub(super) fn flush(&mut self) {
        self.line.clear();
        self.lines.clear();
        self.literal = false;
        self.start = self.column;
    }

    /// The next line, at most `most` bytes of it; the rest stays.
    pub(super) fn read(&mut self, most: usize) -> Option<Line> {
        let first = self.lines.front_mut()?;
        // The line feed needs a place too.
        if first.text.len() + usize::from(first.whole) > most {
            let rest = first.text.split_off(most.min(first.text.len()));
            let text = std::mem::replace(&mut first.text, rest);
            return Some(Line { text, whole: false });
        }
        self.lines.pop_front()
    }

    /// What was typed and not read, for the next program; line ends as line feeds.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        for line in self.lines.drain(..) {
            all.extend_from_slice(&line.text);
            if line.whole {
                all.push(b'\n');
            }
        }
        all.append(&mut self.line);
        all
    }

    /// One byte is typed. The signal it raises, if it is one: the terminal has then forgotten its input.
    pub(super) fn typed(&mut self, byte: u8) -> Option<u8> {
        let byte = if self.strip { byte & 0x7f } else { byte };
        if std::mem::take(&mut self.literal) {
            self.keep(byte);
            return None;
        }
        match byte {
            3 | 26 | 28 => {
                // Echo that has not left the terminal yet is lost with the input.
                self.out.clear();
                self.flush();
                self.show(byte);
                self.start = self.column;
                return Some(byte);
            }
            b'\r' | b'\n' => {
                if self.echo {
                    self.put(b'\n');
                }
                let text = std::mem::take(&mut self.line);
                self.finish(Line { text, whole: true });
            }
            4 => {
                let text = std::mem::take(&mut self.line);
                self.finish(Line { text, whole: false });
            }
            0x7f => self.rub_one(),
            21 => self.rub_while(|_| true),
            23 => {
                self.rub_while(|b| !(b.is_ascii_alphanumeric() || b == b'_'));
                self.rub_while(|b| b.is_ascii_alphanumeric() || b == b'_');
            }
            18 => {
                if self.echo {
                    self.show(18);
                    self.put(b'\n');
                    self.start = self.column;
                    for b in self.line.clone() {
                        self.show(b);
                    }
                }
            }
            22 => {
                self.literal = true;
                if self.echo {
                    self.put(b'^');
                    self.put(8);
                }
            }
            // Start and stop, which nobody waits for here.
            17 | 19 => {}
            _ => self.keep(byte),
        }
        None
    }

    fn finish(&mut self, line: Line) {
        if self.lines.len() < MOST_LINES {
            self.lines.push_back(line);
        }
        self.start = self.column;
    }

    fn keep(&mut self, byte: u8) {
        if self.line.is_empty() {
            self.start = self.column;
        }
        self.show(byte);
        if self.line.len() < LONGEST {
            self.line.push(byte);
        }
    }

    /// Echoes a typed byte.
    fn show(&mut self, byte: u8) {
        if !self.echo {
            return;
        }
        match byte {
            b'\t' => self.put(b'\t'),
            0..32 | 127 => {
                self.put(b'^');
                self.put(byte ^ 64);
            }
            _ => self.put(byte),
        }
    }

    fn put(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                self.out.extend_from_slice(b"\r\n");
                self.column = 0;
                return;
            }
            b'\r' => self.column = 0,
            8 => self.column = self.column.saturating_sub(1),
            b'\t' => {
                let wide = 8 - self.column % 8;
                self.column += wide;
                if self.expand {
                    self.out.resize(self.out.len() + wide, b' ');
                    return;
                }
            }
            0..32 | 127 => {}
            _ => self.column += 1,
        }
        self.out.push(byte);
    }

    fn rub_while(&mut self, gone: impl Fn(u8) -> bool) {
        while self.line.last().is_some_and(|&b| gone(b)) {
            self.rub_one();
        }
    }

    fn rub_one(&mut self) {
        let Some(byte) = self.line.pop() else { return };
        if !self.echo {
            return;
        }
        let wide = match byte {
            // A tab is as wide as what stood before it makes it.
            b'\t' => {
                let mut column = self.start;
                for &b in &self.line {
                    column += match b {
                        b'\t' => 8 - column % 8,
                        0..32 | 127 => 2,
                        _ => 1,
                    };
                }
                let wide = 8 - column % 8;
                for _ in 0..wide {
                    self.put(8);
                }
                return;
            }
            0..32 | 127 => 2,
            _ => 1,
        };
        for _ in 0..wide {
            for b in *b"\x08 \x08" {
                self.put(b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &[u8], shown: &[u8], read: Option<&[u8]>) {
        let mut t = Terminal::new(false);
        t.print(b"files02 login: ");
        t.shown();
        for &b in typed {
            t.typed(b);
        }
        assert_eq!(t.shown().escape_ascii().to_string(), shown.escape_ascii().to_string());
        assert_eq!(t.read(511).map(|l| l.text), read.map(<[u8]>::to_vec));
    }

    #[test]
    fn lines_are_edited_as_linux_does() {
        check(b"root\r", b"root\r\n", Some(b"root"));
        check(b"rox\x7fot\r", b"rox\x08 \x08ot\r\n", Some(b"root"));
        check(b"a\x01\x7f\x15b\n", b"a^A\x08 \x08\x08 \x08\x08 \x08b\r\n", Some(b"b"));
        check(b"ab cd\x17\x12", b"ab cd\x08 \x08\x08 \x08^R\r\nab ", None);
        check(b"a\t\x7f", b"a\t\x08\x08\x08\x08\x08\x08\x08\x08", None);
        check(b"\x16\x03x\r", b"^\x08^Cx\r\n", Some(b"\x03x"));
        check(b"ab\x03", b"^C", None);
        check(b"\x04", b"", Some(b""));
    }

    #[test]
    fn a_reader_with_a_short_buffer_gets_a_part() {
        let mut t = Terminal::new(false);
        for b in b"abcdef\n" {
            t.typed(*b);
        }
        assert_eq!(t.read(4), Some(Line { text: b"abcd".to_vec(), whole: false }));
        assert_eq!(t.read(4), Some(Line { text: b"ef".to_vec(), whole: true }));
    }
}
