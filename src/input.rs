//! Where logins come from: arguments, files, standard input, members of organisations and teams, and
//! databases, one after the other, without duplicates.
//!
//! A roster streams. Files are opened before anything is asked, so that a wrong name is known at
//! once, but read only as fast as their logins are looked up.

mod csv;
mod entry;
mod notes;
mod seen;
#[cfg(feature = "sql")]
mod sql;
mod text;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;

use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use self::csv::Sheet;
pub(crate) use self::csv::is_sheet;
pub(crate) use self::entry::InputRecord;
pub(crate) use self::notes::InputReport;
use self::seen::Seen;
use crate::login::Login;
use crate::shard::Shard;

/// Batches of lines that are read ahead.
const READ_AHEAD: usize = 4;

/// One place that logins come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InputSource {
    /// A login, as it was typed.
    Text(String),
    /// A list, one login a line, or a spreadsheet: `.csv`, `.tsv`.
    File(PathBuf),
    /// A list on standard input.
    Stdin,
}

impl InputSource {
    /// The file that is read, if it is one: no report may take its place.
    #[must_use]
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Text(_) | Self::Stdin => None,
        }
    }
}

/// How a roster is read.
#[derive(Clone, Debug)]
pub(crate) struct InputOptions {
    /// The host of addresses of profiles.
    pub(crate) site: String,
    /// The part that is handed on; none: all of it.
    pub(crate) shard: Option<Shard>,
    /// The column of spreadsheets with the logins; none: the first usual one.
    pub(crate) column: Option<String>,
    /// Columns of spreadsheets that are carried into the report.
    pub(crate) carry: Vec<String>,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self { site: "github.com".into(), shard: None, column: None, carry: Vec::new() }
    }
}

/// A roster cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {}", path.display(), crate::text::io_message(cause))]
pub(crate) struct InputError {
    path: PathBuf,
    cause: io::Error,
}

/// A source that is read as the logins are looked up.
enum List {
    /// A typed login.
    Typed(String),
    /// Logins that were listed elsewhere.
    Listed(Vec<String>),
    Plain(Box<dyn Read + Send>),
    Sheet(Box<Sheet>),
}

/// All sources, opened.
pub(crate) struct Input {
    typed: Vec<String>,
    lists: Vec<(PathBuf, List)>,
    files: Vec<PathBuf>,
    /// Logins that were listed elsewhere.
    listed: u64,
    endless: bool,
    shard: Option<Shard>,
    /// Where the profiles are.
    site: Arc<str>,
    /// Logins that come from a database.
    queried: Option<mpsc::Receiver<Vec<InputRecord>>>,
    notes: Arc<InputReport>,
}

impl Input {
    /// Opens every source.
    ///
    /// # Errors
    /// [`InputError`] for the first file that is missing, a folder, or not ours to read.
    pub(crate) fn open(sources: &[InputSource], reading: &InputOptions) -> Result<Self, InputError> {
        let mut roster = Self {
            typed: Vec::new(),
            lists: Vec::new(),
            files: Vec::new(),
            listed: 0,
            endless: false,
            shard: reading.shard,
            site: reading.site.as_str().into(),
            queried: None,
            notes: Arc::default(),
        };
        for source in sources {
            match source {
                // The order of the roster is the order of its sources.
                InputSource::Text(text) if roster.lists.is_empty() => roster.typed.push(text.clone()),
                InputSource::Text(text) => {
                    roster.lists.push((PathBuf::new(), List::Typed(text.clone())));
                }
                InputSource::File(path) => {
                    let (file, regular) =
                        open(path).map_err(|cause| InputError { path: path.clone(), cause })?;
                    // A pipe or a device may go on for ever.
                    roster.endless |= !regular;
                    let list = if csv::is_sheet(path) {
                        let sheet = Sheet::open(path, file, regular, reading);
                        let sheet = sheet.map_err(|cause| InputError { path: path.clone(), cause })?;
                        List::Sheet(Box::new(sheet))
                    } else {
                        List::Plain(Box::new(file))
                    };
                    roster.lists.push((path.clone(), list));
                    roster.files.push(path.clone());
                }
                InputSource::Stdin => {
                    roster.endless = true;
                    roster.lists.push(("standard input".into(), List::Plain(Box::new(io::stdin()))));
                }
            }
        }
        Ok(roster)
    }

    /// Adds logins that were listed elsewhere, behind all others.
    #[must_use]
    pub(crate) fn with(mut self, listed: Vec<String>) -> Self {
        if !listed.is_empty() {
            self.listed = listed.len() as u64;
            self.lists.push((PathBuf::new(), List::Listed(listed)));
        }
        self
    }

    /// Adds the logins of a query's rows, behind those of the lists.
    ///
    /// # Errors
    /// [`InputError`] where the database or the query is no good.
    #[cfg(feature = "sql")]
    pub(crate) async fn querying(
        mut self,
        address: crate::database::DatabaseUrl,
        query: String,
        reading: &InputOptions,
    ) -> Result<Self, InputError> {
        self.queried = Some(sql::open(address, query, reading, Arc::clone(&self.notes)).await?);
        self.endless = true;
        Ok(self)
    }

    /// What will be known when the roster has been read.
    #[must_use]
    pub(crate) fn notes(&self) -> Arc<InputReport> {
        Arc::clone(&self.notes)
    }

    /// Whether nobody can know how long it is.
    #[must_use]
    pub(crate) fn is_endless(&self) -> bool {
        self.endless
    }

    /// About how many logins there are (duplicates and comments included), if that can be known
    /// without reading standard input.
    #[must_use]
    pub(crate) fn estimate(&self) -> Option<u64> {
        if self.endless {
            return None;
        }
        let more = self.lists.len() - self.files.len() - usize::from(self.listed > 0);
        let lines: u64 = self.files.iter().map(|path| text::count_lines(path).unwrap_or(0)).sum();
        let all = lines + self.listed + (self.typed.len() + more) as u64;
        Some(self.shard.map_or(all, |shard| all / u64::from(shard.of.max(1))))
    }

    /// The logins, each once whatever its case, in the order in which they were named first.
    pub(crate) fn entries(self) -> impl Stream<Item = InputRecord> + Send + use<> {
        let (notes, shard) = (self.notes, self.shard);
        let mut seen = Seen::default();
        let site = self.site;
        let at = Arc::clone(&site);
        let typed = stream::iter(
            self.typed.into_iter().map(move |text| InputRecord::from(Login::parse_at(&text, &at))),
        );
        let ended = Arc::clone(&notes);
        let end = stream::poll_fn(move |_| {
            ended.end();
            Poll::Ready(None)
        });
        let listed = lines(self.lists, site, Arc::clone(&notes));
        let queried = stream::iter(self.queried).flat_map(batches);
        typed.chain(listed).chain(queried).chain(end).filter(move |entry| {
            if shard.is_some_and(|shard| !shard.contains(entry.text())) {
                return std::future::ready(false);
            }
            let new = seen.insert(entry);
            if !new {
                notes.add_duplicate();
            }
            std::future::ready(new)
        })
    }
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
fn lines(
    lists: Vec<(PathBuf, List)>,
    site: Arc<str>,
    notes: Arc<InputReport>,
) -> impl Stream<Item = InputRecord> + Send {
    let (sender, receiver) = mpsc::channel::<Vec<InputRecord>>(READ_AHEAD);
    if !lists.is_empty() {
        std::thread::spawn(move || {
            for (path, list) in lists {
                let read = match list {
                    // It is taken as it is: nothing in it is a comment.
                    List::Typed(text) => named(&[text], &site, &sender),
                    List::Listed(logins) => named(&logins, &site, &sender),
                    List::Plain(list) => text::read(list, &site, &sender),
                    List::Sheet(sheet) => sheet.read(&site, &sender, &notes),
                };
                match read {
                    Ok(()) => {}
                    Err(text::End::NobodyWants) => return,
                    Err(text::End::Failed(cause)) => {
                        notes.fail(&InputError { path, cause });
                        return;
                    }
                }
            }
        });
    }
    batches(receiver)
}

fn batches(mut receiver: mpsc::Receiver<Vec<InputRecord>>) -> impl Stream<Item = InputRecord> + Send {
    stream::poll_fn(move |context| receiver.poll_recv(context)).flat_map(stream::iter)
}

/// Hands on logins as they are.
fn named(logins: &[String], site: &str, sender: &mpsc::Sender<Vec<InputRecord>>) -> Result<(), text::End> {
    for batch in logins.chunks(text::BATCH) {
        let mut batch = batch.iter().map(|text| Login::parse_at(text, site).into()).collect();
        text::send(&mut batch, sender)?;
    }
    Ok(())
}

/// Whether a person would have to type the list.
#[must_use]
pub(crate) fn stdin_is_a_terminal() -> bool {
    io::stdin().is_terminal()
}

#[cfg(test)]
mod tests;
