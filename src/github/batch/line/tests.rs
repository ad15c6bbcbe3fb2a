use super::*;

/// A line for queries of ten logins, in which some wait and more may come.
fn line(logins: usize) -> (Arc<Batches>, StreamGuard) {
    let batches = Arc::new(Batches::new(1, 10, None));
    let stream = batches.stream();
    for number in 0..logins {
        let login = Login::parse(&format!("user-{number}")).unwrap();
        let line = Arc::clone(&batches);
        tokio::spawn(async move { line.ask(login, usize::MAX, 0, None).await });
    }
    (batches, stream)
}

async fn is_due(batches: &Batches, within: Duration) -> bool {
    tokio::time::timeout(within, batches.due()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn what_is_no_full_batch_waits_for_more_and_not_for_ever() {
    let (batches, _stream) = line(3);
    assert!(!is_due(&batches, LINGER.saturating_sub(STEP)).await);
    assert!(is_due(&batches, 2 * STEP).await);
    assert_eq!(batches.take().len(), 3);
    let (full, _stream) = line(10);
    tokio::task::yield_now().await;
    assert!(is_due(&full, Duration::ZERO).await, "a full one does not wait");
}

#[tokio::test(start_paused = true)]
async fn what_is_about_to_come_is_waited_for_a_little_longer() {
    for (list, under_way) in [(List::Read, false), (List::Read, true), (List::Full, true)] {
        let (batches, _stream) = line(3);
        let _query = under_way.then(|| batches.under_way());
        batches.list(list);
        assert!(!is_due(&batches, PATIENCE.saturating_sub(STEP)).await);
        assert!(is_due(&batches, 2 * STEP).await, "{list:?}");
    }
    for (list, under_way) in [(List::Slow, false), (List::Slow, true), (List::Full, false)] {
        let (batches, _stream) = line(3);
        let _query = under_way.then(|| batches.under_way());
        batches.list(list);
        assert!(is_due(&batches, LINGER + STEP).await, "{list:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_moment_in_which_the_program_did_not_run_is_not_held_against_the_list() {
    let (batches, _stream) = line(3);
    assert!(!is_due(&batches, STEP).await);
    tokio::time::advance(10 * LINGER).await;
    assert!(!is_due(&batches, LINGER / 2).await);
    assert!(is_due(&batches, LINGER).await);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_takes_answers_nothing_is_late() {
    let (batches, _stream) = line(3);
    let held = batches.hold();
    assert!(!is_due(&batches, 10 * LINGER).await);
    drop(held);
    for _ in 0..20 {
        assert!(!is_due(&batches, Duration::from_millis(1)).await);
        let _held = batches.hold();
        tokio::time::advance(LINGER).await;
    }
    assert!(!is_due(&batches, LINGER / 3).await);
    assert!(is_due(&batches, LINGER).await);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_list_nothing_waits() {
    let (batches, stream) = line(3);
    drop(stream);
    assert!(!is_due(&batches, Duration::ZERO).await, "nobody is in line");
    tokio::task::yield_now().await;
    assert!(is_due(&batches, Duration::ZERO).await);
}
