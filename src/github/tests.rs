use super::api::Api;
use super::*;

#[tokio::test]
async fn settings_that_would_hang_or_leak_are_refused() {
    let refused = |settings| Client::new(settings).err().map(|error| error.to_string());
    assert_eq!(refused(Settings::default()), None);
    for settings in
        [Settings { jobs: 0, ..Settings::default() }, Settings { batch: Some(0), ..Settings::default() }]
    {
        assert!(refused(settings).is_some_and(|told| told.contains("no jobs")));
    }
    let token = || Some(Credentials::Token(auth::Token::new("ghp_sample", "GH_TOKEN").unwrap()));
    for (url, safe) in
        [("http://git.example.com", false), ("https://git.example.com", true), ("http://127.0.0.1:1", true)]
    {
        let api = Api::parse(url).unwrap();
        let told = refused(Settings { api, credentials: token(), ..Settings::default() });
        assert_eq!(told.is_none(), safe, "{told:?}");
    }
}
