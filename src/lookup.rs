//! The concurrent stage: logins in, rows out, in the order of the roster.

use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;

use crate::github::error::LookupError;
use crate::github::{Answer, Client};
use crate::login::Login;
use crate::report::{Row, Status, Via};
use crate::roster::Entry;

/// Logins that are under way or answered while the row before them is awaited. It bounds the memory,
/// and is wide enough that one login that times out does not hold up the others.
const WINDOW: usize = 2048;

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
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(Settings::default())?;
/// let logins = stream::iter(["torvalds", "gvanrossum", "antirez"]).map(Login::parse);
/// let mut rows = std::pin::pin!(ghrepos::lookup(&client, logins));
/// while let Some(row) = rows.next().await {
///     println!("{}: {:?}", row.login, row.public_repos);
/// }
/// # Ok(())
/// # }
/// ```
pub fn lookup<S>(client: &Client, logins: S) -> impl Stream<Item = Row> + use<S>
where
    S: Stream<Item = Entry>,
{
    let client = client.clone();
    logins
        .map(move |entry| match entry {
            Err(not) => {
                let row = Row::without_count(&not.text, Status::Invalid, &not.to_string());
                std::future::ready(row).left_future()
            }
            Ok(login) => {
                let client = client.clone();
                async move { row(&login, client.account(&login).await) }.right_future()
            }
        })
        .buffered(WINDOW)
}

/// What became of a login, as its row.
fn row(login: &Login, answer: Answer) -> Row {
    let Answer { outcome, attempts, alike } = answer;
    let at = Some(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default());
    let error = match outcome {
        Ok(account) => {
            return Row {
                login: account.login.to_string(),
                status: Status::Ok,
                kind: account.kind,
                id: Some(account.id),
                public_repos: Some(account.public_repos),
                error: None,
                via: Some(Via::Rest),
                at,
                attempts,
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
    let reason = match (&error, attempts) {
        (LookupError::Stopped(stop), 0) => format!("not asked: {stop}"),
        (LookupError::Stopped(stop), _) => format!("no answer yet: {stop}"),
        (_, ..=1) => error.to_string(),
        (error, _) if !error.is_transient() => error.to_string(),
        (error, times) if alike => format!("{error}, {times} times"),
        (error, times) => format!("{error}, the last of {times} failures"),
    };
    let answered = matches!(status, Status::NotFound | Status::Forbidden);
    Row {
        attempts,
        via: answered.then_some(Via::Rest),
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
        let row = row(&Login::parse("a").unwrap(), Answer { outcome: Err(error), attempts, alike });
        assert_eq!(row.attempts, attempts);
        assert_eq!(row.public_repos, None);
        (row.status, row.error.unwrap())
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
