use super::super::auth::Token;
use super::super::endpoint::ApiEndpoint;
use super::*;

fn refusal(config: ClientConfig) -> Option<String> {
    Client::new(config).err().map(|error| error.to_string())
}

#[tokio::test]
async fn a_configuration_that_would_hang_or_leak_is_refused() {
    assert_eq!(refusal(ClientConfig::default()), None);
    let no_jobs = ClientConfig { max_concurrency: 0, ..ClientConfig::default() };
    let empty_batches = ClientConfig { batch_size: Some(0), ..ClientConfig::default() };
    for config in [no_jobs, empty_batches] {
        let refusal = refusal(config).unwrap();
        assert!(refusal.ends_with("concurrency and batch size must be at least 1"), "{refusal}");
    }
    let token = || Some(Credentials::Token(Token::new("ghp_sample", "GH_TOKEN").unwrap()));
    for (url, is_accepted) in
        [("http://git.example.com", false), ("https://git.example.com", true), ("http://127.0.0.1:1", true)]
    {
        let endpoint = ApiEndpoint::parse(url).unwrap();
        let refusal = refusal(ClientConfig { endpoint, credentials: token(), ..ClientConfig::default() });
        assert_eq!(refusal.is_none(), is_accepted, "{refusal:?}");
    }
}
