//! Where logins come from: arguments, files and standard input, one after the other, without
//! duplicates.
//!
//! A roster streams. Files are opened before anything is asked, so that a wrong name is known at
//! once, but read only as fast as their logins are looked up.

mod csv;
mod text;

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;

use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use self::csv::Sheet;
pub use self::csv::is_sheet;
use crate::login::{Login, NotALogin, stable_hash};

/// What a roster is made of: logins, and what stands where a login should.
pub type Entry = Result<Login, NotALogin>;

/// Batches of lines that are read ahead.
const READ_AHEAD: usize = 4;

/// One place that logins come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A login, as it was typed.
    Text(String),
    /// A list, one login a line, or a spreadsheet: `.csv`, `.tsv`.
    File(PathBuf),
    /// A list on standard input.
    Stdin,
}

/// A part of a roster, for one machine of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub part: u32,
    /// Of how many.
    pub of: u32,
}

impl Shard {
    /// Whether an entry is in this part: that of its [`stable_hash`] modulo the number of parts, plus 1.
    #[must_use]
    pub fn holds(self, entry: &Entry) -> bool {
        let hash = match entry {
            Ok(login) => stable_hash(login.as_str()),
            Err(not) => stable_hash(not.text.trim()),
        };
        hash.checked_rem(self.of).is_some_and(|part| part + 1 == self.part)
    }
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shard = text.split_once('/').and_then(|(part, of)| {
            let (part, of) = (part.trim().parse().ok()?, of.trim().parse().ok()?);
            (1..=of).contains(&part).then_some(Self { part, of })
        });
        shard.ok_or("it has to look like 1/8, the first of eight parts")
    }
}

/// How a roster is read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The host of addresses of profiles.
    pub site: String,
    /// The part that is handed on; none: all of it.
    pub shard: Option<Shard>,
    /// The column of spreadsheets with the logins; none: the first usual one.
    pub column: Option<String>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { site: "github.com".into(), shard: None, column: None }
    }
}

/// A roster cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {}", path.display(), crate::text::reason(cause))]
pub struct Unreadable {
    path: PathBuf,
    cause: io::Error,
}

/// A source that is read as the logins are looked up.
enum List {
    /// A typed login.
    Typed(String),
    Plain(Box<dyn Read + Send>),
    Sheet(Box<Sheet>),
}

/// All sources, opened.
pub struct Roster {
    typed: Vec<String>,
    lists: Vec<(PathBuf, List)>,
    files: Vec<PathBuf>,
    /// Logins that were listed elsewhere.
    listed: u64,
    endless: bool,
    shard: Option<Shard>,
    /// Where the profiles are.
    site: Arc<str>,
    notes: Arc<Notes>,
}

/// What becomes known of a roster while it is read.
#[derive(Debug, Default)]
pub struct Notes {
    duplicates: AtomicU64,
    failure: OnceLock<String>,
    whole: AtomicBool,
    remarks: Mutex<Vec<String>>,
}

impl Notes {
    /// Logins that were named again, in any case, and dropped.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    /// What a person should know of the lists: rows without a login, rows of another length.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remark(&self, line: String) {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Whether it was read to its end.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    /// Why the rest of a list could not be read, if it could not.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

impl Roster {
    /// Opens every source.
    ///
    /// # Errors
    /// [`Unreadable`] for the first file that is missing, a folder, or not ours to read.
    pub fn open(sources: &[Source], reading: &Reading) -> Result<Self, Unreadable> {
        let mut roster = Self {
            typed: Vec::new(),
            lists: Vec::new(),
            files: Vec::new(),
            listed: 0,
            endless: false,
            shard: reading.shard,
            site: reading.site.as_str().into(),
            notes: Arc::default(),
        };
        for source in sources {
            match source {
                // The order of the roster is the order of its sources.
                Source::Text(text) if roster.lists.is_empty() => roster.typed.push(text.clone()),
                Source::Text(text) => {
                    roster.lists.push((PathBuf::new(), List::Typed(text.clone())));
                }
                Source::File(path) => {
                    let (file, regular) =
                        open(path).map_err(|cause| Unreadable { path: path.clone(), cause })?;
                    // A pipe or a device may go on for ever.
                    roster.endless |= !regular;
                    let list = if csv::is_sheet(path) {
                        let sheet = Sheet::open(path, file, regular, reading.column.as_deref());
                        let sheet = sheet.map_err(|cause| Unreadable { path: path.clone(), cause })?;
                        List::Sheet(Box::new(sheet))
                    } else {
                        List::Plain(Box::new(file))
                    };
                    roster.lists.push((path.clone(), list));
                    roster.files.push(path.clone());
                }
                Source::Stdin => {
                    roster.endless = true;
                    roster.lists.push(("standard input".into(), List::Plain(Box::new(io::stdin()))));
                }
            }
        }
        Ok(roster)
    }

    /// Adds logins that were listed elsewhere, behind all others.
    #[must_use]
    pub fn with(mut self, listed: &[String]) -> Self {
        if !listed.is_empty() {
            self.listed = listed.len() as u64;
            let list = List::Plain(Box::new(io::Cursor::new(listed.join("\n"))));
            self.lists.push(("the members".into(), list));
        }
        self
    }

    /// What will be known when the roster has been read.
    #[must_use]
    pub fn notes(&self) -> Arc<Notes> {
        Arc::clone(&self.notes)
    }

    /// Whether nobody can know how long it is.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.endless
    }

    /// About how many logins there are (duplicates and comments included), if that can be known
    /// without reading standard input.
    #[must_use]
    pub fn estimate(&self) -> Option<u64> {
        if self.endless {
            return None;
        }
        let more = self.lists.len() - self.files.len() - usize::from(self.listed > 0);
        let lines: u64 = self.files.iter().map(|path| text::count_lines(path).unwrap_or(0)).sum();
        let all = lines + self.listed + (self.typed.len() + more) as u64;
        Some(self.shard.map_or(all, |shard| all / u64::from(shard.of)))
    }

    /// The logins, each once whatever its case, in the order in which they were named first.
    pub fn entries(self) -> impl Stream<Item = Entry> + Send + use<> {
        let (notes, shard) = (self.notes, self.shard);
        let mut seen = HashSet::new();
        let site = self.site;
        let at = Arc::clone(&site);
        let typed = stream::iter(self.typed.into_iter().map(move |text| Login::parse_at(&text, &at)));
        let ended = Arc::clone(&notes);
        let end = stream::poll_fn(move |_| {
            ended.whole.store(ended.failure().is_none(), Ordering::Relaxed);
            Poll::Ready(None)
        });
        typed.chain(lines(self.lists, site, Arc::clone(&notes))).chain(end).filter(move |entry| {
            if shard.is_some_and(|shard| !shard.holds(entry)) {
                return std::future::ready(false);
            }
            let new = seen.insert(key(entry));
            if !new {
                notes.duplicates.fetch_add(1, Ordering::Relaxed);
            }
            std::future::ready(new)
        })
    }
}

fn key(entry: &Entry) -> Box<str> {
    match entry {
        Ok(login) => login.key(),
        // What is no login may be long, and there may be many; a hash of it has to do. A control
        // character cannot be part of a login: no confusion of the two.
        Err(not) => {
            format!("\0{:x}", BuildHasherDefault::<DefaultHasher>::default().hash_one(not.text.trim()))
        }
    }
    .into()
}

/// Opens a file, and tells whether it is an ordinary one.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    Ok((file, metadata.is_file()))
}

/// Reads lists on a thread of their own: reading standard input blocks, and may do so for ever.
fn lines(lists: Vec<(PathBuf, List)>, site: Arc<str>, notes: Arc<Notes>) -> impl Stream<Item = Entry> + Send {
    let (sender, mut receiver) = mpsc::channel::<Vec<Entry>>(READ_AHEAD);
    if !lists.is_empty() {
        std::thread::spawn(move || {
            for (path, list) in lists {
                let read = match list {
                    // It is taken as it is: nothing in it is a comment.
                    List::Typed(text) => text::send(&mut vec![Login::parse_at(&text, &site)], &sender),
                    List::Plain(list) => text::read(list, &site, &sender),
                    List::Sheet(sheet) => sheet.read(&site, &sender, &notes),
                };
                match read {
                    Ok(()) => {}
                    Err(text::End::NobodyWants) => return,
                    Err(text::End::Failed(cause)) => {
                        let _ = notes.failure.set(Unreadable { path, cause }.to_string());
                        return;
                    }
                }
            }
        });
    }
    stream::poll_fn(move |context| receiver.poll_recv(context)).flat_map(stream::iter)
}

/// Whether a person would have to type the list.
#[must_use]
pub fn stdin_is_a_terminal() -> bool {
    io::stdin().is_terminal()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        file
    }

    async fn read(sources: &[Source]) -> (Vec<String>, u64) {
        let roster = Roster::open(sources, &Reading::default()).unwrap();
        let notes = roster.notes();
        let entries = roster.entries().map(|entry| match entry {
            Ok(login) => login.to_string(),
            Err(not) => format!("{:?} {}", not.text, not),
        });
        (entries.collect().await, notes.duplicates())
    }

    #[tokio::test]
    async fn lists_may_hold_comments_blank_lines_and_any_line_ends() {
        let list = file(
            b"\xef\xbb\xbf# our team\r\ntorvalds\r\n\r\n  @antirez # Redis\n\nhttps://github.com/gvanrossum",
        );
        let (entries, duplicates) = read(&[Source::File(list.path().into())]).await;
        assert_eq!(entries, ["torvalds", "antirez", "gvanrossum"]);
        assert_eq!(duplicates, 0);
    }

    #[tokio::test]
    async fn a_login_in_any_case_is_asked_for_once_and_first_come_first_served() {
        let list = file(b"Torvalds\nantirez\nTORVALDS\na/b\n");
        let (entries, duplicates) = read(&[
            Source::Text("torvalds".into()),
            Source::Text("a/b".into()),
            Source::File(list.path().into()),
            Source::Text("#late".into()),
        ])
        .await;
        assert_eq!(
            entries,
            ["torvalds", "\"a/b\" not a login: holds '/'", "antirez", "\"#late\" not a login: holds '#'"]
        );
        assert_eq!(duplicates, 3);
    }

    #[tokio::test]
    async fn what_is_no_text_is_rows_and_not_the_end() {
        let long = vec![b'x'; 1 << 20];
        let list = file(&[b"\xff\xfe\n", &long[..], b"\nantirez\n"].concat());
        let (entries, _) = read(&[Source::File(list.path().into())]).await;
        assert_eq!(entries.len(), 3);
        assert!(entries[0].ends_with("not a login: holds '\u{fffd}'"), "{}", entries[0]);
        assert!(entries[1].len() < 5_000, "{}", entries[1].len());
        assert_eq!(entries[2], "antirez");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_at_once() {
        let open = |path: &str| {
            Roster::open(&[Source::File(path.into())], &Reading::default()).err().unwrap().to_string()
        };
        assert!(open("/nowhere/list.txt").starts_with("cannot read /nowhere/list.txt: No such file"));
        assert_eq!(open("/"), "cannot read /: it is a folder");
    }

    #[test]
    fn every_entry_is_in_exactly_one_shard_and_they_are_about_equal() {
        let entries: Vec<_> = (0..9000).map(|at| Login::parse(&format!("user{at}"))).collect();
        let parts: Vec<Shard> = (1..=3).map(|part| Shard { part, of: 3 }).collect();
        let mut sizes = [0; 3];
        for entry in entries.iter().chain([&Login::parse("no login")]) {
            let holds: Vec<_> = parts.iter().map(|part| part.holds(entry)).collect();
            assert_eq!(holds.iter().filter(|holds| **holds).count(), 1);
            sizes[holds.iter().position(|holds| *holds).unwrap()] += 1;
        }
        assert!(sizes.iter().all(|size| (2800..3200).contains(size)), "{sizes:?}");
        assert_eq!("2/8".parse(), Ok(Shard { part: 2, of: 8 }));
        for text in ["", "1", "0/8", "9/8", "1/0", "-1/8", "1/8/2", "a/b"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_length_is_known_beforehand_unless_there_is_standard_input() {
        let list = file(b"a\nb\nc");
        let sources = [Source::Text("x".into()), Source::File(list.path().into()), Source::Text("y".into())];
        assert_eq!(Roster::open(&sources, &Reading::default()).unwrap().estimate(), Some(5));
        assert_eq!(Roster::open(&[Source::Stdin], &Reading::default()).unwrap().estimate(), None);
    }
}
