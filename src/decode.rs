//! One decoder for all text that is read: UTF-8 and UTF-16 with and without a byte order mark, and Windows-1252.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes per read.
const CHUNK: usize = 64 << 10;
/// Bytes from which UTF-16 without a byte order mark is recognized.
const SAMPLE: usize = 1 << 10;
/// Bytes that suffice to see a byte order mark, or two characters of UTF-16.
const MIN_SAMPLE: usize = 4;

/// Reads text in any of the encodings as UTF-8. Line ends stay as they are.
///
/// Bytes that are not UTF-8 are Windows-1252, as Western spreadsheet programs write it: every byte has a character.
pub(crate) struct Decoder<R> {
    inner: R,
    encoding: Option<Encoding>,
    /// Bytes that are not decoded yet.
    raw: Vec<u8>,
    text: Vec<u8>,
    position: usize,
    is_ended: bool,
    is_foreign_line: bool,
    foreign_lines: ForeignLines,
}

enum Encoding {
    Utf8,
    Utf16(Box<encoding_rs::Decoder>),
}

/// Number of lines so far that are not valid UTF-8.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForeignLines(Arc<AtomicU64>);

impl ForeignLines {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<R: Read> Decoder<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            encoding: None,
            raw: Vec::new(),
            text: Vec::new(),
            position: 0,
            is_ended: false,
            is_foreign_line: false,
            foreign_lines: ForeignLines::default(),
        }
    }

    pub(crate) fn foreign_lines(&self) -> ForeignLines {
        self.foreign_lines.clone()
    }

    /// Returns the text that can be read without waiting.
    pub(crate) fn buffer(&self) -> &[u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// Reads more text behind that of [`Decoder::buffer`]. Returns false at the end.
    pub(crate) fn read_more(&mut self) -> io::Result<bool> {
        self.text.drain(..self.position);
        self.position = 0;
        let before = self.text.len();
        while !self.is_ended && self.text.len() == before {
            let length = self.raw.len();
            self.raw.resize(length + CHUNK, 0);
            let read = self.inner.read(self.raw.get_mut(length..).unwrap_or_default());
            self.raw.truncate(length + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(read) => self.is_ended = read == 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.decode();
        }
        Ok(self.text.len() > before)
    }

    fn decode(&mut self) {
        if self.encoding.is_none() {
            if self.raw.len() < MIN_SAMPLE && !self.raw.contains(&b'\n') && !self.is_ended {
                return;
            }
            let (encoding, mark) = Encoding::recognize(&self.raw);
            self.raw.drain(..mark);
            self.encoding = Some(encoding);
        }
        match &mut self.encoding {
            Some(Encoding::Utf16(decoder)) => {
                let raw = std::mem::take(&mut self.raw);
                let room = decoder.max_utf8_buffer_length(raw.len()).unwrap_or(raw.len() * 3 + 16);
                let start = self.text.len();
                self.text.resize(start + room, 0);
                let free = self.text.get_mut(start..).unwrap_or_default();
                let (_, _, written, _) = decoder.decode_to_utf8(&raw, free, self.is_ended);
                self.text.truncate(start + written);
            }
            _ => self.decode_utf8(),
        }
    }

    fn decode_utf8(&mut self) {
        let mut raw = std::mem::take(&mut self.raw);
        let mut rest = &*raw;
        while !rest.is_empty() {
            let (valid, invalid) = match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), 0),
                Err(error) => match error.error_len() {
                    Some(length) => (error.valid_up_to(), length),
                    // The next bytes may complete the character.
                    None if !self.is_ended => (error.valid_up_to(), 0),
                    None => (error.valid_up_to(), rest.len() - error.valid_up_to()),
                },
            };
            let (text, after) = rest.split_at(valid);
            self.is_foreign_line &= !text.contains(&b'\n');
            self.text.extend_from_slice(text);
            let (foreign, after) = after.split_at(invalid);
            rest = after;
            if foreign.is_empty() {
                break;
            }
            self.text.extend_from_slice(WINDOWS_1252.decode_without_bom_handling(foreign).0.as_bytes());
            if !std::mem::replace(&mut self.is_foreign_line, true) {
                self.foreign_lines.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let incomplete = rest.len();
        raw.drain(..raw.len() - incomplete);
        self.raw = raw;
    }
}

impl Encoding {
    /// Returns the encoding of a text that begins with these bytes, and the length of its byte order mark.
    fn recognize(bytes: &[u8]) -> (Self, usize) {
        let little = || Self::Utf16(Box::new(UTF_16LE.new_decoder_without_bom_handling()));
        let big = || Self::Utf16(Box::new(UTF_16BE.new_decoder_without_bom_handling()));
        match bytes {
            [0xef, 0xbb, 0xbf, ..] => return (Self::Utf8, 3),
            [0xff, 0xfe, ..] => return (little(), 2),
            [0xfe, 0xff, ..] => return (big(), 2),
            _ => {}
        }
        // Text in Latin letters has a zero in every second byte. No other text has any zeros.
        let pairs = bytes.get(..bytes.len().min(SAMPLE)).unwrap_or_default().as_chunks::<2>().0;
        let zeros = |at: usize| pairs.iter().filter(|pair| pair.get(at) == Some(&0)).count();
        match (zeros(0), zeros(1)) {
            (0, high) if high * 2 > pairs.len() => (little(), 0),
            (high, 0) if high * 2 > pairs.len() => (big(), 0),
            _ => (Self::Utf8, 0),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for Decoder<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffer().is_empty() {
            self.read_more()?;
        }
        Ok(self.buffer())
    }

    fn consume(&mut self, length: usize) {
        self.position = self.text.len().min(self.position + length);
    }
}

/// Returns true for text in UTF-16, or with a byte order mark: the offsets of its lines differ from those in UTF-8.
fn is_recoded(bytes: &[u8]) -> bool {
    let (encoding, mark) = Encoding::recognize(bytes);
    mark > 0 || matches!(encoding, Encoding::Utf16(_))
}

/// Returns a file with the text in UTF-8: the file itself, or a temporary copy.
pub(crate) fn utf8_file(mut file: File) -> io::Result<File> {
    let mut beginning = Vec::new();
    (&mut file).take(SAMPLE as u64).read_to_end(&mut beginning)?;
    file.rewind()?;
    if !is_recoded(&beginning) {
        return Ok(file);
    }
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut Decoder::new(file), &mut copy)?;
    copy.rewind()?;
    Ok(copy)
}

/// Removes white space and invisible characters around a value: zero-width characters, soft hyphens, byte order marks, and marks
/// of the writing direction.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a few bytes at a time, as a slow pipe does.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn text_in_every_encoding_is_read_as_the_same() {
        let text = "ana,Jürgen\r\nbo,5 €\r\n\n";
        let marked = format!("\u{feff}{text}");
        let western: Vec<u8> = WINDOWS_1252.encode(text).0.into_owned();
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
            western,
        ] {
            for step in [1, 2, 3, 7, 1000] {
                let mut read = String::new();
                Decoder::new(Slow(&bytes, step)).read_to_string(&mut read).unwrap();
                assert_eq!(read, text, "{step}: {bytes:x?}");
            }
        }
    }

    #[test]
    fn lines_that_are_not_utf8_are_counted() {
        let mut decoder = Decoder::new(&b"a\xfcb\xfc\nc\nd\xe9\n\xff"[..]);
        let lines = decoder.foreign_lines();
        let mut read = String::new();
        decoder.read_to_string(&mut read).unwrap();
        assert_eq!((read.as_str(), lines.count()), ("aübü\nc\ndé\nÿ", 3));
    }

    #[test]
    fn invisible_characters_are_removed_at_the_ends_only() {
        assert_eq!(trim("\u{feff}\u{200b}\u{a0} a\u{200d}b\u{202c}\u{ad}\u{3000}\r\n"), "a\u{200d}b");
    }
}
