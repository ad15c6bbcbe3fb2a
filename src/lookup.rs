//! The concurrent stage: logins in, rows out, in the order of the roster.

use std::task::Poll;

use futures::{FutureExt, Stream, StreamExt, stream};
use jiff::Timestamp;

use crate::github::error::LookupError;
use crate::github::transport::Source;
use crate::github::{Answer, Client};
use crate::login::{Login, stable_hash};
use crate::report::{Carried, Row, Status, Via};
use crate::roster::Entry;

/// Logins that are under way or answered while the row before them is awaited, beside those in full
/// batches. It bounds the memory, and is wide enough that one login that times out does not hold up
/// the others.
const WINDOW: usize = 2048;

/// How logins are looked up, beside the client's own settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The share of the counted logins that is counted again through the other API, in percent.
    pub verify: u8,
}

/// Looks up every login and yields a row for each, in their order. Nothing is lost and nothing ends
/// it early: whatever happens to a login is its row.
///
/// At most as many requests are in flight as the client has jobs. Memory is bounded by a window of
/// logins, not by their number.
///
/// ```no_run
/// use futures::{StreamExt, stream};
/// use ghrepos::github::{Client, Settings};
/// use ghrepos::login::Login;
/// use ghrepos::lookup::Options;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(Settings::default())?;
/// let logins = stream::iter(["torvalds", "gvanrossum", "antirez"]).map(Login::parse);
/// let mut rows = std::pin::pin!(ghrepos::lookup(&client, logins, Options::default()));
/// while let Some(row) = rows.next().await {
///     println!("{}: {:?}", row.login, row.public_repos);
/// }
/// # Ok(())
/// # }
/// ```
pub fn lookup<S>(client: &Client, logins: S, options: Options) -> impl Stream<Item = Row> + use<S>
where
    S: Stream,
    S::Item: Into<Entry>,
{
    resolve(client, logins.map(|entry| Wanted::Unknown(entry.into())), options, |_, _| {})
}

/// What is wanted of the stage.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// To be looked up.
    Unknown(Entry),
    /// Known already: it only takes its place among the others.
    Known(Row),
}

/// As [`lookup`], with rows that are known already. `answered` is told of each row that was asked for
/// and its number as soon as it is there, whether it is its turn or not.
pub(crate) fn resolve<S, F>(
    client: &Client,
    wanted: S,
    options: Options,
    answered: F,
) -> impl Stream<Item = Row> + use<S, F>
where
    S: Stream<Item = Wanted>,
    F: Fn(u64, &Row) + Clone,
{
    let client = client.clone();
    let settings = client.settings();
    let window = match settings.via {
        Via::Rest => WINDOW,
        Via::Graphql => WINDOW + 2 * settings.jobs * client.largest_batch(),
    };
    // A batch waits for more logins only while there are some to come: until the list has ended, or,
    // where batches are but for the second count, until the last row.
    let mut coming = Some(client.stream());
    let mut counting = (settings.via == Via::Rest).then(|| client.stream());
    let end = stream::poll_fn(move |_| {
        drop(coming.take());
        Poll::Ready(None)
    });
    let last = stream::poll_fn(move |_| {
        drop(counting.take());
        Poll::Ready(None)
    });
    wanted
        .chain(end)
        .enumerate()
        .map(move |(number, wanted)| match wanted {
            Wanted::Known(row) => std::future::ready(row).left_future(),
            Wanted::Unknown(Entry { login: Err(not), carried }) => {
                let row = Row::without_count(&not.text, Status::Invalid, &not.to_string());
                std::future::ready(Row { carried, ..row }).left_future()
            }
            Wanted::Unknown(Entry { login: Ok(login), carried }) => {
                let (client, answered) = (client.clone(), answered.clone());
                // The list may have ended before this login is in line.
                let coming = (client.via(&login) == Via::Graphql).then(|| client.stream());
                async move {
                    let answer = client.account_coming(&login, coming).await;
                    let exchange = client.exchange_of(answer.via, &login);
                    let row = Row { carried, exchange, ..row(&login, answer) };
                    let row = if options.verify > 0 {
                        Box::pin(verified(&client, &login, row, options)).await
                    } else {
                        row
                    };
                    answered(number as u64, &row);
                    row
                }
                .right_future()
            }
        })
        .buffered(window)
        .chain(last)
}

/// The row, with the count of the other API compared where the login is in the sample.
async fn verified(client: &Client, login: &Login, row: Row, options: Options) -> Row {
    // A recording is asked without a token, and says what it does not hold.
    let settings = client.settings();
    let graphql = settings.credentials.is_some() || matches!(settings.source, Source::Replay(_));
    let other = match row.via {
        Some(Via::Graphql) => Via::Rest,
        Some(Via::Rest) if graphql && !login.is_bot() => Via::Graphql,
        _ => return row,
    };
    if row.status != Status::Ok || !is_sampled(login, options.verify) {
        return row;
    }
    let again = client.recount(other, login).await;
    let verified = match again.outcome {
        Ok(account) => {
            let same_account = account.id.is_none() || row.id.is_none() || account.id == row.id;
            Some(same_account && Some(account.public_repos) == row.public_repos)
        }
        Err(LookupError::NotFound) => Some(false),
        Err(error) => {
            tracing::info!("{login}: could not be verified: {error}");
            client.could_not_verify();
            None
        }
    };
    if verified == Some(false) {
        tracing::info!("{login}: the two APIs disagree");
    }
    Row { verified, attempts: row.attempts + again.attempts, ..row }
}

/// Whether a login is in a sample of `percent`: the same logins in every run and on every machine.
pub(crate) fn is_sampled(login: &Login, percent: u8) -> bool {
    u64::from(stable_hash(login.as_str())) % 100 < u64::from(percent)
}

/// What became of a login, as its row.
fn row(login: &Login, answer: Answer) -> Row {
    let Answer { outcome, attempts, failures, alike, via } = answer;
    let at = Some(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default());
    let error = match outcome {
        Ok(account) => {
            return Row {
                login: account.login.to_string(),
                status: Status::Ok,
                kind: account.kind,
                id: account.id,
                public_repos: Some(account.public_repos),
                breakdown: account.breakdown,
                private_repos: account.private_repos,
                carried: Carried::default(),
                was: None,
                change: None,
                verified: None,
                error: None,
                via: Some(via),
                at,
                attempts,
                exchange: None,
            };
        }
        Err(error) => error,
    };
    let status = match error {
        LookupError::NotFound => Status::NotFound,
        LookupError::Forbidden { .. } => Status::Forbidden,
        LookupError::Stopped(_) => Status::Skipped,
        _ => Status::Failed,
    };
    let reason = match (&error, failures) {
        (LookupError::Stopped(stop), _) if attempts == 0 => format!("not asked: {stop}"),
        (LookupError::Stopped(stop), _) => format!("no answer yet: {stop}"),
        (_, ..=1) => error.to_string(),
        (error, _) if !error.is_transient() => error.to_string(),
        (error, times) if alike => format!("{error}, {times} times"),
        (error, times) => format!("{error}, the last of {times} failures"),
    };
    let answered = matches!(status, Status::NotFound | Status::Forbidden);
    Row {
        attempts,
        via: answered.then_some(via),
        at: if answered { at } else { None },
        ..Row::without_count(login.as_str(), status, &reason)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::github::stop::Stop;

    fn reason(error: LookupError, attempts: u32, alike: bool) -> (Status, String) {
        let answer = Answer { outcome: Err(error), attempts, failures: attempts, alike, via: Via::Rest };
        let row = row(&Login::parse("a").unwrap(), answer);
        assert_eq!(row.attempts, attempts);
        assert_eq!(row.public_repos, None);
        (row.status, row.error.unwrap())
    }

    #[test]
    fn the_sample_is_stable_and_about_as_large_as_asked() {
        let logins: Vec<_> = (0..10_000).map(|at| Login::parse(&format!("User-{at}")).unwrap()).collect();
        for percent in [0, 1, 10, 50, 100] {
            let sampled = logins.iter().filter(|login| is_sampled(login, percent)).count();
            let wanted = usize::from(percent) * 100;
            assert!(sampled.abs_diff(wanted) <= 150, "{percent}%: {sampled}");
        }
        assert_eq!(is_sampled(&logins[7], 50), is_sampled(&Login::parse("uSER-7").unwrap(), 50));
    }

    #[tokio::test]
    async fn a_login_that_waits_takes_little_memory() {
        // There are thousands of them at once.
        let client = Client::new(crate::github::Settings::default()).unwrap();
        let login = Login::parse("a").unwrap();
        let waiting = size_of_val(&client.account(&login));
        assert!(waiting <= 300, "{waiting} bytes");
    }

    #[test]
    fn failures_are_told_in_a_persons_words() {
        let timed_out = LookupError::TimedOut(Duration::from_secs(15));
        let gateway = LookupError::Status { status: 502, message: String::new(), wait: None };
        assert_eq!(
            reason(timed_out.clone(), 5, true),
            (Status::Failed, "timed out after 15s, 5 times".into())
        );
        assert_eq!(reason(timed_out, 1, true), (Status::Failed, "timed out after 15s".into()));
        assert_eq!(reason(gateway.clone(), 5, true), (Status::Failed, "GitHub answered 502, 5 times".into()));
        assert_eq!(
            reason(gateway, 5, false),
            (Status::Failed, "GitHub answered 502, the last of 5 failures".into())
        );
        assert_eq!(
            reason(LookupError::NotFound, 2, false),
            (Status::NotFound, "no user or organisation has this login".into())
        );
        assert_eq!(
            reason(LookupError::Stopped(Stop::Interrupted), 0, true),
            (Status::Skipped, "not asked: interrupted".into())
        );
    }
}
