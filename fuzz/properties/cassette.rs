//! Recorded exchanges, which anyone may have edited.

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

/// A file in place of an exchange is a response, or an error that names the file. The response to a query has an outcome for each
/// login. A response that is recorded again is the same response.
pub fn cassette(file: &[u8]) {
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
    let (_, _, body) = into_parts(cassette.replay(&query).expect("errors are in the response"));
    let batch = graphql::parse_response(&HeaderMap::new(), &body, &logins, CountSelection::default());
    match batch {
        Ok(batch) => {
            assert_eq!(batch.results.len(), logins.len());
            for error in batch.results.iter().filter_map(|outcome| outcome.as_ref().err()) {
                assert!(is_a_line(&error.to_string()), "{error}");
            }
        }
        Err(error) => assert!(is_a_line(&error.to_string()), "{error}"),
    }

    let user = request(Method::GET, "/users/torvalds", Vec::new());
    let response = match cassette.replay(&user) {
        Ok(response) => response,
        Err(missing) => {
            let message = missing.to_string();
            assert!(is_a_line(&message) && message.contains("torvalds.json is damaged"), "{message:?}");
            return;
        }
    };
    let (status, head, body) = into_parts(response);
    let again = Cassette::new(&folder.path().join("again"));
    again.record(&user, &head, &body).unwrap();
    match again.replay(&user) {
        Ok(response) => {
            let (status_again, _, body_again) = into_parts(response);
            assert_eq!(status_again, status);
            match (serde_json::from_slice::<Value>(&body), serde_json::from_slice::<Value>(&body_again)) {
                // The last digit of a fraction may differ.
                (Ok(json), Ok(again)) if !body.contains(&b'.') && !body.contains(&b'e') => {
                    assert_eq!(json, again);
                }
                (Ok(_), Ok(_)) => {}
                _ => assert_eq!(body, body_again),
            }
        }
        // A body at the maximum depth is too deep inside of an exchange.
        Err(deep) => assert!(deep.to_string().contains("recursion limit"), "{deep}"),
    }
}

fn into_parts(response: Response<http_body_util::Full<Bytes>>) -> (StatusCode, http::response::Parts, Bytes) {
    let (head, body) = response.into_parts();
    let body = body.collect().now_or_never().expect("the body is complete").expect("the body has no errors");
    (head.status, head, body.to_bytes())
}
