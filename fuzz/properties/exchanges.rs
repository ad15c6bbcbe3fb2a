//! Recorded exchanges, which anybody may have edited.

use std::fs;

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use serde_json::Value;

use super::is_a_line;
use crate::github::cassette::{Cassette, RecordedRequest};
use crate::github::graphql;
use crate::login::Login;
use crate::report::CountSelection;

fn request(method: Method, path: &'static str, body: Vec<u8>) -> RecordedRequest {
    RecordedRequest { method, uri: Uri::from_static(path), body: body.into() }
}

/// A file in the place of an exchange is an answer, or an error that names it. The answer to a query has an
/// outcome for each login. What is an answer, and is recorded again, is the same answer.
pub fn exchange(file: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["users/torvalds.json", "graphql/torvalds+1.json"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    let cassette = Cassette::new(folder.path());
    let logins = ["torvalds", "x"].map(|login| Login::parse(login).unwrap());
    let query = br#"{"query":"","variables":{"l0":"torvalds","l1":"x"}}"#;
    let query = request(Method::POST, "/graphql", query.to_vec());
    let (_, _, body) = taken_apart(cassette.replay(&query).expect("errors stand in the answer"));
    let answer = graphql::parse_response(&HeaderMap::new(), &body, &logins, CountSelection::default());
    match answer {
        Ok(answer) => {
            assert_eq!(answer.results.len(), logins.len());
            for error in answer.results.iter().filter_map(|outcome| outcome.as_ref().err()) {
                assert!(is_a_line(&error.to_string()), "{error}");
            }
        }
        Err(error) => assert!(is_a_line(&error.to_string()), "{error}"),
    }

    let user = request(Method::GET, "/users/torvalds", Vec::new());
    let response = match cassette.replay(&user) {
        Ok(response) => response,
        Err(missing) => {
            let told = missing.to_string();
            assert!(is_a_line(&told) && told.contains("torvalds.json is damaged"), "{told:?}");
            return;
        }
    };
    let (status, head, body) = taken_apart(response);
    let again = Cassette::new(&folder.path().join("again"));
    again.record(&user, &head, &body).unwrap();
    match again.replay(&user) {
        Ok(response) => {
            let (status_again, _, body_again) = taken_apart(response);
            assert_eq!(status_again, status);
            match (serde_json::from_slice::<Value>(&body), serde_json::from_slice::<Value>(&body_again)) {
                // The last digit of a fraction may be another.
                (Ok(json), Ok(again)) if !body.contains(&b'.') && !body.contains(&b'e') => {
                    assert_eq!(json, again);
                }
                (Ok(_), Ok(_)) => {}
                _ => assert_eq!(body, body_again),
            }
        }
        // JSON may be as deep as it can be read alone, and no deeper.
        Err(deep) => assert!(deep.to_string().contains("recursion limit"), "{deep}"),
    }
}

fn taken_apart(
    response: Response<http_body_util::Full<Bytes>>,
) -> (StatusCode, http::response::Parts, Bytes) {
    let (head, body) = response.into_parts();
    let body = body.collect().now_or_never().expect("it is all there").expect("nothing can go wrong");
    (head.status, head, body.to_bytes())
}
