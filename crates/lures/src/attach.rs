//! Small files that mails carry: a page as PDF, a table as CSV.

use std::fmt::Write;

use crate::{Dice, mail::Attachment};

/// A one-page PDF 1.4 with these lines of text; what Latin-1 cannot say becomes `?`.
pub fn pdf(name: &str, title: &str, lines: &[String], stamp: &str) -> Attachment {
    let latin = |text: &str| -> Vec<u8> {
        let mut out = Vec::new();
        for c in text.chars() {
            match u32::from(c) {
                0x28 | 0x29 | 0x5c => out.extend([b'\\', u8::try_from(u32::from(c)).unwrap_or(b'?')]),
                0x20ac => out.push(0x80),
                n @ 0x20..=0xff => out.push(u8::try_from(n).unwrap_or(b'?')),
                _ => out.push(b'?'),
            }
        }
        out
    };
    let mut page = b"BT\n/F1 14 Tf\n56 780 Td\n(".to_vec();
    page.extend(latin(title));
    page.extend_from_slice(b") Tj\n/F1 10 Tf\n0 -28 Td\n14 TL\n");
    for line in lines {
        page.push(b'(');
        page.extend(latin(line));
        page.extend_from_slice(b") Tj T*\n");
    }
    page.extend_from_slice(b"ET\n");
    let objects: [Vec<u8>; 6] = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 4 0 R>>>>/Contents 5 0 R>>".to_vec(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_vec(),
        [format!("<</Length {}>>\nstream\n", page.len()).into_bytes(), page, b"endstream".to_vec()].concat(),
        [b"<</Title(".to_vec(), latin(title), format!(")/Producer(LibreOffice 7.4)/CreationDate(D:{stamp})>>").into_bytes()].concat(),
    ];
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (n, object) in objects.iter().enumerate() {
        _ = write!(table, "{:010} 00000 n \n", out.len());
        out.extend_from_slice(format!("{} 0 obj\n", n + 1).as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let start = out.len();
    out.extend_from_slice(table.as_bytes());
    out.extend_from_slice(
        format!("trailer\n<</Size {}/Root 1 0 R/Info 6 0 R>>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1).as_bytes(),
    );
    Attachment { name: name.into(), mime: "application/pdf", bytes: out }
}

/// A table with `rows` of drawn numbers under these titles.
pub fn csv(name: &str, titles: &[&str], labels: &[&str], rows: usize, dice: &mut Dice) -> Attachment {
    let mut text = titles.join(";");
    text.push_str("\r\n");
    for row in 0..rows.min(500) {
        text.push_str(labels.get(row % labels.len().max(1)).copied().unwrap_or_default());
        for _ in 1..titles.len() {
            _ = write!(text, ";{},{:02}", dice.between(12, 9_800), dice.below(100));
        }
        text.push_str("\r\n");
    }
    Attachment { name: name.into(), mime: "text/csv", bytes: text.into_bytes() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_of_a_pdf_points_at_its_objects() {
        let file = super::pdf("a.pdf", "Größe (1)", &["one €".into(), "two\\".into()], "20260302091500");
        let find = |at: usize, what: &[u8]| file.bytes[at..].starts_with(what);
        let tail = String::from_utf8_lossy(&file.bytes[file.bytes.len() - 40..]).into_owned();
        let start: usize = tail.split("startxref\n").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        assert!(find(start, b"xref\n0 7\n"));
        let table = String::from_utf8_lossy(&file.bytes[start..]).into_owned();
        for (n, line) in table.lines().skip(3).take(6).enumerate() {
            assert!(find(line[..10].parse().unwrap(), format!("{} 0 obj", n + 1).as_bytes()));
        }
    }
}
