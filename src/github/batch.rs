//! Batches: logins that wait together go in one query.
//!
//! Each login waits for an answer of its own, as it would by REST; who is asked together is decided
//! when a request may leave, and not before. So a batch is as large as is known to work by then, what
//! failed is asked again before what was never asked, and a slow stream is not held back.

mod line;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use http::HeaderMap;

pub(crate) use self::line::List;
use self::line::Waiting;
pub(super) use self::line::{Batches, HoldGuard, StreamGuard};
use super::error::LookupError;
use super::governor::{Permit, Resource};
use super::graphql::{self, Query};
use super::persist::Failure;
use super::rest::Account;
use super::stop::Stop;
use super::{Request, Shared};

/// Sends batches as they become due and as the governor lets them, until the client is gone.
pub(super) async fn dispatch(batches: Arc<Batches>, client: Weak<Shared>) {
    while batches.due().await {
        let Some(shared) = client.upgrade() else {
            return;
        };
        let again = !batches.state().again.is_empty();
        // How many there will be is decided when they may leave; what the most would cost is known.
        let price = graphql::points(batches.largest(), shared.settings.measures);
        let governor = &shared.governor;
        let admitted = async {
            let newcomer = if again { None } else { Some(governor.newcomer().await?) };
            governor.admit(Resource::Graphql, price, newcomer).await
        };
        match admitted.await {
            Ok(permit) => {
                let batch = batches.take();
                if !batch.is_empty() {
                    send(&batches, shared, batch, permit);
                }
            }
            Err(stop) => refuse(batches.take_all(), &stop),
        }
    }
}

fn refuse(batch: Vec<Waiting>, stop: &Stop) {
    for waiting in batch {
        let _ = waiting.answer.send(Err(Failure::unsent(stop.clone())));
    }
}

fn send(batches: &Arc<Batches>, shared: Arc<Shared>, batch: Vec<Waiting>, mut permit: Permit) {
    let measures = shared.settings.measures;
    let price = graphql::points(batch.len(), measures);
    if let Err(stop) = shared.governor.spend(price) {
        return refuse(batch, &stop);
    }
    let under_way = batches.under_way();
    let batches = Arc::clone(batches);
    tokio::spawn(async move {
        let _under_way = under_way;
        let failures = batch.iter().map(|waiting| waiting.failures).max().unwrap_or(0);
        let (logins, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.login, (waiting.most, waiting.answer))).unzip();
        let document = batches.document(logins.len(), measures);
        let request = Request::Query(Query::new(&document, &logins));
        let read = |headers: &HeaderMap, body: &[u8]| graphql::answer(headers, body, &logins, measures);
        let outcome = shared.attempt(&request, &mut permit, read).await;
        drop(permit);
        let number = logins.len();
        match outcome {
            Ok(answer) => {
                // Servers without limits do not tell a price: there is none.
                let cost = answer.cost.unwrap_or(if answer.limited { price } else { 0 });
                shared.governor.put_right(price, cost);
                shared.points.fetch_add(cost, Ordering::Relaxed);
                let left_out = answer.outcomes.iter().filter(|outcome| is_left_out(outcome)).count();
                {
                    let mut state = batches.state();
                    state.sizes.learn(number, left_out <= number / 4);
                    if left_out > number / 4 {
                        state.sizes.learn(number - left_out, true);
                    }
                }
                let most = left_out.div_ceil(2).max(1);
                for (outcome, (_, waits)) in answer.outcomes.into_iter().zip(answers) {
                    let failure = |error: LookupError| {
                        let own = number == 1 || !error.is_transient();
                        Failure { most, own, ..Failure::from(error) }
                    };
                    let _ = waits.send(outcome.map_err(failure));
                }
            }
            Err(error) => {
                // What GitHub took for an answer that never came is not known; without a connection
                // it was nothing.
                let cost = if matches!(error, LookupError::NoConnection(_)) { 0 } else { price };
                shared.governor.put_right(price, cost);
                shared.points.fetch_add(cost, Ordering::Relaxed);
                let too_much = error.may_be_too_much();
                let mut smaller = number;
                if too_much {
                    let mut state = batches.state();
                    state.sizes.learn(number, false);
                    smaller = state.sizes.after_failure(number);
                } else {
                    batches.state().sizes.forget_probe(number);
                    // One wait for all of them, so that they come back together.
                    if error.is_transient() && shared.governor.pause().is_none() {
                        shared.governor.back_off(failures + 1).await;
                    }
                }
                for (most, waits) in answers {
                    let most = if too_much { smaller } else { most };
                    let own = !too_much || number == 1;
                    let _ = waits.send(Err(Failure {
                        most,
                        own,
                        rested: !too_much,
                        ..Failure::from(error.clone())
                    }));
                }
            }
        }
    });
}

fn is_left_out(outcome: &Result<Account, LookupError>) -> bool {
    outcome.as_ref().is_err_and(LookupError::is_transient)
}
