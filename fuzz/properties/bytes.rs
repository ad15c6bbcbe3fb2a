//! Values made from bytes: equal bytes make equal values.

/// Texts with a meaning in some format of a report.
const SPECIAL_TEXTS: [&str; 33] = [
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

/// Reads bytes in order; zeros after the end.
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

    /// Returns a number below `bound`; 0 if `bound` is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        number % bound.max(1)
    }

    /// Returns a small number, or rarely a very large one.
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

    /// Returns at most `max` bytes.
    pub(super) fn bytes(&mut self, max: usize) -> &'a [u8] {
        let length = self.below(max + 1).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Returns a text of up to three pieces, special or arbitrary.
    pub(super) fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.byte() % 4 {
            let piece = match usize::from(self.byte()) {
                known if known < SPECIAL_TEXTS.len() * 4 => SPECIAL_TEXTS[known / 4].to_owned(),
                length => String::from_utf8_lossy(self.bytes(length / 8)).into_owned(),
            };
            let times = if self.byte() == 255 { usize::from(self.byte()) } else { 1 };
            text.extend(std::iter::repeat_n(piece, times));
        }
        text
    }
}
