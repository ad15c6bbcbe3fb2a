use super::super::credentials::Token;
use super::super::endpoint::ApiEndpoint;
use super::*;

fn build_error(config: ClientConfig) -> Option<String> {
    Client::new(config).err().map(|error| error.to_string())
}

#[tokio::test]
async fn a_config_that_would_hang_or_leak_a_token_is_rejected() {
    assert_eq!(build_error(ClientConfig::default()), None);
    let no_jobs = ClientConfig { max_concurrency: 0, ..ClientConfig::default() };
    let empty_batches = ClientConfig { batch_size: Some(0), ..ClientConfig::default() };
    for config in [no_jobs, empty_batches] {
        let error = build_error(config).unwrap();
        assert!(error.ends_with("jobs and batch size must be 1 to 100"), "{error}");
    }
    let token = || Some(Credentials::Token(Token::new("ghp_sample", "GH_TOKEN").unwrap()));
    for (url, is_accepted) in
        [("http://git.example.com", false), ("https://git.example.com", true), ("http://127.0.0.1:1", true)]
    {
        let endpoint = ApiEndpoint::parse(url).unwrap();
        let error = build_error(ClientConfig { endpoint, credentials: token(), ..ClientConfig::default() });
        assert_eq!(error.is_none(), is_accepted, "{error:?}");
    }
}
