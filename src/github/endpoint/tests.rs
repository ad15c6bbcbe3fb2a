use super::*;

#[test]
fn paths_outside_of_the_api_are_rejected() {
    assert_eq!(ApiEndpoint::default().rest("/users/a"), "/users/a");
    let test = ApiEndpoint::parse("http://127.0.0.1:8099").unwrap();
    assert_eq!((test.origin(), test.rest("/users/a")), ("http://127.0.0.1:8099", "/users/a".into()));
    let enterprise = ApiEndpoint::parse("https://git.example.com/api/v3/").unwrap();
    assert!(enterprise.is_enterprise() && !test.is_enterprise());
    assert_eq!(enterprise.rest("/users/a"), "/api/v3/users/a");
    assert_eq!(enterprise.graphql(), "/api/graphql");
    assert_eq!(test.graphql(), "/graphql");
    assert_eq!(ApiEndpoint::parse("http://gateway/github/").unwrap().graphql(), "/github/graphql");
    assert_eq!(test.path_of("http://127.0.0.1:8099/users/a/repos?page=2"), Some("/users/a/repos?page=2"));
    assert_eq!(test.path_of("http://127.0.0.1:80991/x"), None);
    assert_eq!(test.path_of("https://elsewhere/x"), None);
    let gateway = ApiEndpoint::parse("http://gateway/github").unwrap();
    assert_eq!(gateway.path_of("http://gateway/github/users/a?b=../c"), Some("/github/users/a?b=../c"));
    for neighbor in
        ["admin", "githubs/x", "github", "github/../admin", "github/%2E%2e/admin", "github/.\\../admin"]
    {
        assert_eq!(gateway.path_of(&format!("http://gateway/{neighbor}")), None, "{neighbor}");
    }
    assert!(
        gateway.is_rest_path("/github/user", "/user") && !gateway.is_rest_path("/github/users/user", "/user")
    );
    assert_eq!(enterprise.to_string(), "https://git.example.com/api/v3");
}

#[test]
fn each_kind_of_host_has_its_paths_and_profiles() {
    for (host, rest, graphql, web_host, is_cloud) in [
        ("github.com", "https://api.github.com", "/graphql", "github.com", true),
        ("github.com:443", "https://api.github.com", "/graphql", "github.com", true),
        ("GitHub.com", "https://api.github.com", "/graphql", "github.com", true),
        ("https://github.com/", "https://api.github.com", "/graphql", "github.com", true),
        (" HTTPS://acme.ghe.com// ", "https://api.acme.ghe.com", "/graphql", "acme.ghe.com", true),
        ("acme.ghe.com", "https://api.acme.ghe.com", "/graphql", "acme.ghe.com", true),
        ("git.example.com", "https://git.example.com/api/v3", "/api/graphql", "git.example.com", false),
        (
            "git.example.com:8443",
            "https://git.example.com:8443/api/v3",
            "/api/graphql",
            "git.example.com:8443",
            false,
        ),
    ] {
        let endpoint = ApiEndpoint::from_host(host).unwrap();
        assert_eq!(
            (endpoint.to_string(), endpoint.graphql(), endpoint.web_host()),
            (rest.into(), graphql.into(), web_host)
        );
        assert_eq!((endpoint.is_github_cloud(), endpoint.is_enterprise()), (is_cloud, !is_cloud), "{host}");
    }
    for wrong in [
        "",
        "https://",
        "http://git.example.com",
        "https://https://github.com",
        "https://github.com/?x",
        "github.com/acme",
        "a b",
        "me@host",
        "host:port",
        "x:99999",
        ".ghe.com",
        "a..b",
        "*",
        "github.com:8443",
        "a.ghe.com:1",
        "[::1]",
    ] {
        assert!(ApiEndpoint::from_host(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_invalid_url_is_rejected() {
    for url in [
        "",
        "api.github.com",
        "ftp://a",
        "http://",
        "https://a b",
        "/users",
        "http://:80",
        "http://h:99999",
        "http://300.1.1.1",
        "mailto:a@b.c",
    ] {
        assert!(matches!(ApiEndpoint::parse(url), Err(InvalidEndpoint::NotAUrl)), "{url}");
    }
    assert!(matches!(ApiEndpoint::parse("https://me:secret@host"), Err(InvalidEndpoint::Credentials)));
    assert!(matches!(ApiEndpoint::parse("https://host/?x=1"), Err(InvalidEndpoint::Query)));
}

#[test]
fn plain_http_is_secure_to_this_machine_only() {
    for url in ["https://api.github.com", "http://127.0.0.1:1", "http://localhost:80", "http://[::1]:8099"] {
        assert!(ApiEndpoint::parse(url).unwrap().is_secure(), "{url}");
    }
    for url in [
        "http://api.github.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.nip.io",
    ] {
        assert!(!ApiEndpoint::parse(url).unwrap().is_secure(), "{url}");
    }
}

#[test]
fn a_server_url_has_the_endpoint_of_its_server() {
    for (url, api) in [
        ("https://github.com", "https://api.github.com"),
        ("https://acme.ghe.com/", "https://api.acme.ghe.com"),
        ("https://git.example.com", "https://git.example.com/api/v3"),
        ("HTTP://127.0.0.1:8099/", "http://127.0.0.1:8099/api/v3"),
        ("git.example.com", "https://git.example.com/api/v3"),
    ] {
        assert_eq!(ApiEndpoint::from_server_url(url).unwrap().to_string(), api, "{url}");
    }
    for url in [
        "",
        "http://",
        "ftp://git.example.com",
        "http://github.com",
        "http://acme.ghe.com",
        "http://https://git.example.com",
        "https://git.example.com/path",
        "http://me:secret@git.example.com",
    ] {
        assert!(ApiEndpoint::from_server_url(url).is_err(), "{url}");
    }
}
