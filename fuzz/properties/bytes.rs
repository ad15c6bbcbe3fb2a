//! Numbers and texts, taken from bytes: the same bytes are always the same.

/// Texts that mean something to somebody who reads a report.
const TELLING: [&str; 33] = [
    "=1+1",
    "+1",
    "-1",
    "@a",
    "\t=1",
    "\r\n=1",
    " =1",
    "'=1",
    "''+",
    "'",
    "\"",
    "\"\"",
    ",",
    ";",
    "\n",
    "\r",
    "|",
    "\\|",
    "<b>",
    "&amp;",
    "<!--",
    "</td>",
    "`*_~$[]",
    "https://example.com",
    "www.example.com",
    "a@b.c",
    "\u{1b}[31m",
    "\u{202e}",
    "\u{200d}",
    "👩\u{200d}🚀",
    "\u{feff}",
    "\u{ffff}",
    "\0",
];

/// Bytes, from the first to the last. When there are no more they are zeros.
pub(super) struct ByteReader<'a>(&'a [u8]);

impl<'a> ByteReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number that is less, where that is more than nothing.
    pub(super) fn below(&mut self, most: usize) -> usize {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        number % most.max(1)
    }

    /// A small number, or one that no account has.
    pub(super) fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
            small => small.into(),
        }
    }

    pub(super) fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| value(self))
    }

    /// Up to so many bytes.
    pub(super) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let length = self.below(most + 1).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Text of a few pieces: such as mean something, and any.
    pub(super) fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.byte() % 4 {
            let piece = match usize::from(self.byte()) {
                known if known < TELLING.len() * 4 => TELLING[known / 4].to_owned(),
                length => String::from_utf8_lossy(self.bytes(length / 8)).into_owned(),
            };
            let times = if self.byte() == 255 { usize::from(self.byte()) } else { 1 };
            text.extend(std::iter::repeat_n(piece, times));
        }
        text
    }
}
